# One static binary and nothing else: `docker build -t tunneld .`. README.md, Containers, says how it is run.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/tunneld ./cmd/tunneld \
 && mkdir -p /out/home/tunneld/.ssh \
 && mkdir -m 1777 /out/tmp \
 && mkdir -p /out/etc/ssh \
 && printf '%s\n' '# The engines kill what has not stopped after 10 s. Your own configuration wins: with more, give --stop-timeout.' \
    'TunneldDrain 8' >/out/etc/ssh/ssh_config

FROM scratch
COPY --from=build /out/ /
# Any UID will do, and none needs an entry in a password file: without one $HOME is where .ssh is looked for.
ENV HOME=/home/tunneld
WORKDIR /home/tunneld
USER 65532:65532
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=2 CMD ["/tunneld", "health"]
ENTRYPOINT ["/tunneld"]
CMD ["help"]
