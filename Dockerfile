# Written without a Docker engine at hand: never built yet.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked && cp target/release/tribelink /tribelink

# A CA bundle is needed to reach both remotes; nothing else is.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /tribelink /usr/local/bin/tribelink
USER 65532:65532
ENTRYPOINT ["tribelink"]
CMD ["serve"]
