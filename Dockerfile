FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/tunneld ./cmd/tunneld \
 && mkdir -m 1777 /out/tmp

FROM scratch
COPY --from=build /out/ /
# Any UID will do; none needs an entry in a password file.
USER 65532:65532
ENTRYPOINT ["/tunneld"]
CMD ["help"]
