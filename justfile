# A menu; the logic is in hack/ (cargo xtask).

# play the seed's page on this machine
demo *args:
    cargo xtask demo {{args}}

# every check and test, with io_uring and without
test *args:
    cargo xtask test {{args}}

# a real API server with our CRDs: up, down, kubeconfig
apiserver verb:
    cargo xtask apiserver {{verb}}

# which numbered promises have no passing test
promises:
    cargo xtask promises

# write CRDs and reference pages
gen:
    cargo xtask gen

# reload time under load
bench-reload:
    cargo xtask bench reload
