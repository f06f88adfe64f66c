#!/usr/bin/env bash
# Fills fuzz/corpus/ from the fixtures: the bodies for the parsers, some lines for the rest.
set -euo pipefail
cd "$(dirname "$0")"

mkdir -p corpus/parse
for body in ../fixtures/*/*/[0-9]*; do
    folder="$(dirname "$body")"
    provider="$(basename "$(dirname "$folder")")"
    name="$provider-$(basename "$folder")-$(basename "$body")"
    { printf '%s\n' "$provider" && cat "$body"; } >"corpus/parse/$name"
    # A source may be of the wrong provider, and a relay passes on what others send.
    cp "$body" "corpus/parse/any-$name"
done

mkdir -p corpus/signature corpus/filter_rule
zeros="$(printf '0%.0s' {1..64})"
printf 'sha256=%s\n{"object":"whatsapp_business_account"}' "$zeros" >corpus/signature/hex
printf 'AAAAAAAAAAAAAAAAAAAAAA==\n{}' >corpus/signature/base64
printf 'md5=00000000000000000000000000000000\n' >corpus/signature/prefixed
number=0
for rule in '*=*' '*=read' 'Regular-Message=failed' 'Template-Message=sent,delivered,read' \
    ' Template-Message = * ' '=' 'Regular-Message=,'; do
    printf '%s' "$rule" >"corpus/filter_rule/$((number += 1))"
done
