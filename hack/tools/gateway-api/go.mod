// Nothing is built of it: its CRDs are files of the module, read from the module cache. So `go mod tidy` would drop it.
module rebound/hack/tools/gateway-api

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
