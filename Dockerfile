# The server alone, as a user without rights. Build: docker build -t haulier .

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p haulier-server && mkdir /data

FROM debian:bookworm-slim
COPY --from=build /src/target/release/haulier-server /usr/local/bin/haulier-server
COPY --from=build --chown=65532:65532 /data /data
# Whom to trust: for an S3 store that is reached over HTTPS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENV HAULIER_LISTEN=0.0.0.0:8080 HAULIER_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# The program asks itself: the image needs no curl. It finds address and TLS in the same settings.
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s \
    CMD ["/usr/local/bin/haulier-server", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/haulier-server"]
