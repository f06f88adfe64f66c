#!/usr/bin/env bash
# Fills fuzz/corpus/ from the fixtures: the bodies for the parsers, some lines for the rest.
set -euo pipefail
cd "$(dirname "$0")"

for provider in meta-cloud meta-on-premises 360dialog infobip botsquad; do
    target="corpus/parse_${provider//-/_}"
    mkdir -p "$target"
    for body in ../fixtures/"$provider"/*/[0-9]*; do
        case="$(basename "$(dirname "$body")")"
        cp "$body" "$target/$case-$(basename "$body")"
    done
done
# A relay passes on what Meta sends.
for relayed in meta_cloud meta_on_premises; do
    for body in corpus/parse_"$relayed"/*; do
        cp "$body" "corpus/parse_360dialog/$relayed-$(basename "$body")"
    done
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
