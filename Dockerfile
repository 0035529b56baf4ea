# syntax=docker/dockerfile:1
# Two stages: a build whose dependencies are a layer of their own, and an image with the program alone.
# Written without a Docker engine at hand: never built yet. scripts/ops/check_image.py checks what can be
# checked without one.

FROM rust:1.95-bookworm AS build
WORKDIR /src
# A static program, as scripts/release makes it: for the target alone, since macros that run in the compiler cannot
# be static, and for this machine's own, so that it serves every architecture.
RUN printf '[build]\ntarget = "%s"\nrustflags = ["-C", "target-feature=+crt-static"]\n' \
    "$(rustc -vV | sed -n 's/^host: //p')" >>"$CARGO_HOME/config.toml"
# The dependencies, built with empty sources: a layer that lasts until a manifest changes.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY crates/plan/Cargo.toml crates/plan/Cargo.toml
COPY crates/sandbox/Cargo.toml crates/sandbox/Cargo.toml
RUN mkdir -p src crates/plan/src crates/sandbox/src tests/sim \
 && touch src/lib.rs crates/plan/src/lib.rs crates/sandbox/src/lib.rs \
 && echo 'fn main() {}' | tee src/main.rs >tests/sim/main.rs \
 && cargo build --profile dist --locked
# The program. Cargo goes by times: the empty sources are older than these.
COPY . .
ARG REVISION=unknown
RUN find src crates -name '*.rs' -exec touch {} + \
 && TRIBELINK_REVISION=$REVISION cargo build --profile dist --locked --bin tribelink \
 && strip -o /tribelink target/*/dist/tribelink \
 && ! readelf --wide --program-headers --dynamic /tribelink | grep -E 'INTERP|\(NEEDED\)' \
 && mkdir /data

# Certificates of authorities, a user that is not root; no C library, no shell and no package manager.
FROM gcr.io/distroless/static-debian12:nonroot
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tribelink" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision=$REVISION
COPY --from=build /tribelink /usr/local/bin/tribelink
# Nothing is written but the database: run with a read-only root (`docker run --read-only`) and a volume
# at /data where SQLite is used; a fresh volume takes the owner of the folder that it covers.
COPY --from=build --chown=65532:65532 /data /data
ENV TRIBELINK_SERVER__LISTEN=0.0.0.0:8080
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["/usr/local/bin/tribelink", "health", "--url", "http://127.0.0.1:8080"]
ENTRYPOINT ["/usr/local/bin/tribelink"]
CMD ["serve"]
