#!/bin/sh
# Stands in for the data plane where only the life of the process counts. Notes its starts and its end in the folder
# of its snapshot.
while [ $# -gt 0 ]; do
  case "$1" in
    --snapshot) snapshot=$2 ;;
    --bind) bind=$2 ;;
    --admin) admin=$2 ;;
    --exit-with-parent) shift; continue ;;
  esac
  shift 2
done
trap 'echo drained >> "$snapshot.log"; exit 0' TERM
echo "started $$ $bind $admin" >> "$snapshot.log"
echo "admin=127.0.0.1:1234"
echo "listening=$bind:8080"
while :; do sleep 0.02; done
