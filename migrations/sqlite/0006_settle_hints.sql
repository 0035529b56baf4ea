-- Postgres' alone: here one writer at a time keeps the due times. The number is taken in both.
SELECT 1;
