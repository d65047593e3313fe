# One static binary and nothing else: `docker build -t tunneld .`. docs/containers.md says how it is run, and how it is built for several
# platforms at once: Go compiles for each on the one that builds, so that nothing is emulated.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION= COMMIT= DATE=
ARG TARGETOS TARGETARCH TARGETVARIANT
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT} -X main.date=${DATE}" -o /out/tunneld ./cmd/tunneld \
 && mkdir -p /out/home/tunneld/.ssh \
 && mkdir -m 1777 /out/tmp \
 && mkdir -p /out/etc/ssh \
 && printf '%s\n' '# The engines kill what has not stopped after 10 s. Your own configuration wins: with more, give --stop-timeout.' \
    'TunneldDrain 8' >/out/etc/ssh/ssh_config

FROM scratch
ARG VERSION= COMMIT= DATE=
LABEL org.opencontainers.image.title="tunneld" \
      org.opencontainers.image.description="SSH tunnels that stay up" \
      org.opencontainers.image.url="https://github.com/tunneld/tunneld" \
      org.opencontainers.image.source="https://github.com/tunneld/tunneld" \
      org.opencontainers.image.documentation="https://github.com/tunneld/tunneld/blob/main/docs/containers.md" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.created="${DATE}"
COPY --from=build /out/ /
# They go with each copy of the program.
COPY LICENSE docs/licences.md /usr/share/doc/tunneld/
# Any UID will do, and none needs an entry in a password file: without one $HOME is where .ssh is looked for.
ENV HOME=/home/tunneld
WORKDIR /home/tunneld
USER 65532:65532
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=2 CMD ["/tunneld", "health"]
ENTRYPOINT ["/tunneld"]
CMD ["help"]
