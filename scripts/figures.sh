#!/usr/bin/env bash
# Measure the shipped models on the developers' `val` files and write every figure that a document quotes:
# models/*/{ERROR_CARD.md,error_card.json,metrics.json,reliability.svg}, benchmarks/results/*.json, and the marked blocks
# of README.md, docs/ and models/*/README.md. No figure is typed by hand.
#
#   scripts/figures.sh                    everything
#   scripts/figures.sh image audio        only these (image, audio, video, face, attack, audit, failures, quote)
#   scripts/figures.sh quote              only write the documents anew from figures already measured
#
# Interrupted runs go on. Runs of ours are kept by fingerprint (weights, thresholds, settings); the peers' runs do not
# depend on our weights and are made once. DATA, PEERS and PEERS_CODE say where data and published detectors lie
# (docs/bench.md); without PEERS_CODE the peers' runs there are, or none, are used. ORIGINALS is the collected.jsonl of
# `collect.py --kind video`: with it clips are also judged on a wider set than the pack holds, GIFs left out. CHECK is the
# one of `collect.py --manifest models/video/check.jsonl`: clips that the frame model was not fitted on.
set -euo pipefail
cd "$(dirname "$0")/.."

data=${DATA:-../shared/data/manifest.jsonl}
peers=${PEERS:-../shared/peers}
code=${PEERS_CODE:-}
originals=${ORIGINALS:-}
unseen=${CHECK:-}
runs=${RUNS:-runs/figures}
results=benchmarks/results
witnessmark="${VENV:-.venv}/bin/witnessmark"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
mkdir -p "$runs" "$results"

fingerprint=$("$witnessmark" bench list detectors | awk -F'|' '$2 ~ /^ ours $/ { gsub(/ /, "", $3); print substr($3, 1, 8) }')
step() { printf '\n== %s\n' "$1" >&2; }
bench() { "$witnessmark" bench "$@" >/dev/null; }

measure() {  # kind of media, model folder, most files for peers (0 = all), peers
  local kind=$1 model=models/$2 most=$3 own="$runs/$1-$fingerprint" named=() name
  shift 3
  [ -f "$model/config.json" ] || { echo "no $model: $kind is left out" >&2; return 0; }
  step "$kind: ours"
  bench "$kind" --manifest "$data" --split val --detector ours --out "$own"
  if [ -n "$code" ] && [ $# -gt 0 ]; then
    step "$kind: peers"
    for name in "$@"; do named+=(--detector "$name=peer:$name"); done
    bench "$kind" --manifest "$data" --split val --train-split "" --peers "$peers" --peers-code "$code" "${named[@]}" \
      --limit "$most" --out "$runs/$kind-peers"
  fi
  step "$kind: card"
  rm -rf "${runs:?}/$kind"
  local parts=("$own")
  if [ "$most" = 0 ] && [ -d "$runs/$kind-peers" ]; then parts+=("$runs/$kind-peers"); fi
  "$witnessmark" bench merge "${parts[@]}" --out "$runs/$kind" --replicates 0 >/dev/null
  bench card "$runs/$kind" --model "$model" --detector ours
  if [ "$most" != 0 ] && [ -d "$runs/$kind-peers" ]; then
    step "$kind: ours on the $most files that peers judged"
    bench "$kind" --manifest "$data" --split val --limit "$most" --detector ours --out "$own-$most"
    rm -rf "${runs:?}/$kind-$most"
    "$witnessmark" bench merge "$own-$most" "$runs/$kind-peers" --out "$runs/$kind-$most" >/dev/null
    cp "$runs/$kind-$most/metrics.json" "$results/$kind-peers.json"
  fi
}

faces() {
  step "face peers on cut-out faces, and ours where there is a face model"
  local name named=(--perturbation face --perturbation face-laundered) own=("$runs/face-$fingerprint")
  if [ -n "$code" ]; then
    for name in meso4-df meso4-f2f mesoinception-df mesoinception-f2f classnseg; do
      named+=(--detector "$name=peer:$name")
    done
    bench face --manifest "$data" --split val --train-split "" --peers "$peers" --peers-code "$code" "${named[@]}" \
      --out "$runs/face-peers"
  fi
  if [ -d "$runs/face-peers" ]; then cp "$runs/face-peers/metrics.json" "$results/face-peers.json"; fi
  [ -f models/face/config.json ] || return 0
  # ours looks for the face itself, so it gets the whole picture
  bench face --manifest "$data" --split val --detector ours=ours-faces --perturbation none --perturbation clean \
    --perturbation laundered --out "${own[0]}"
  bench card "${own[0]}" --model models/face --detector ours
}

codecs() {
  [ -f models/speech/config.json ] || return 0
  step "audio: as it is, as MP3 at 32 kbit/s, as 8 kHz mu-law"
  bench audio --manifest "$data" --split val --train-split "" --perturbation none --perturbation mp3-32 \
    --perturbation mu-law --detector ours=ours-cheap --out "$runs/audio-codecs-$fingerprint"
  cp "$runs/audio-codecs-$fingerprint/metrics.json" "$results/audio-codecs.json"
}

wide() {
  [ -n "$originals" ] || return 0
  step "video: 96 clips of the originals"
  grep '"kind": "video"' "$originals" | grep -v -e '"label": "edited"' -e '\.gif"' > "$runs/clips.jsonl"
  bench video --manifest "$runs/clips.jsonl" --files "$(dirname "$originals")" --split val --train-limit 80 --limit 96 \
    --detector ours=ours-cheap --out "$runs/video-wide-$fingerprint"
  cp "$runs/video-wide-$fingerprint/metrics.json" "$results/video-wide.json"
}

check() {
  [ -n "$unseen" ] || return 0
  step "video: clips of models/video/check.jsonl"
  bench video --manifest "$unseen" --files "$(dirname "$unseen")" --split check --train-split "" \
    --detector ours=ours-cheap --out "$runs/video-check-$fingerprint"
  cp "$runs/video-check-$fingerprint/metrics.json" "$results/video-check.json"
}

attack() {
  step "attack on the picture model, 40 pictures"
  local transfer=()
  [ -n "$code" ] && transfer=(--peers "$peers" --peers-code "$code" --detector ferretnet-s=peer:ferretnet-s
    --detector tiny-ladeda-wildrf=peer:tiny-ladeda-wildrf)
  bench image --manifest "$data" --split val --limit 40 --train-split "" --attack ours --epsilon 0 --epsilon 1 \
    --epsilon 2 --epsilon 4 --detector ours --detector ours-cheap "${transfer[@]}" --out "$runs/attack-$fingerprint"
  cp "$runs/attack-$fingerprint/metrics.json" "$results/attack.json"
}

audit() {
  step "shortcut audits: the picture model, and a toy that reads only format and size"
  bench audit ours-cheap "$data" --split val --limit 146 --out "$runs/audit-$fingerprint"
  cp "$runs/audit-$fingerprint/audit.json" "$results/audit-image.json"
  bench audit toy=benchmarks/leaky_toy.py:judge "$data" --split val --out "$runs/audit-toy"
  cp "$runs/audit-toy/audit.json" "$results/audit-toy.json"
}

failures() {
  step "known failures, drawn and judged"
  "${VENV:-.venv}/bin/python" benchmarks/failures.py
}

quote() {
  step "documents"
  local sources=() path
  for path in models/*/metrics.json; do sources+=(--source "$(basename "$(dirname "$path")")=$(dirname "$path")"); done
  for path in "$results"/*.json; do [ -f "$path" ] && sources+=(--source "$(basename "$path" .json)=$path"); done
  mapfile -t documents < <(grep -rl -e '<!-- quote ' README.md docs models/*/README.md --include='*.md')
  "$witnessmark" bench quote "${documents[@]}" "${sources[@]}"
}

[ $# -gt 0 ] || set -- image audio face video attack audit failures quote
for part in "$@"; do
  case $part in
    image) measure image image 0 ferretnet-s tiny-ladeda-wildrf ;;
    audio) measure audio speech "${AUDIO_PEER_FILES:-40}" aasist aasist-l aasist-asvspoof5 inc-tssdnet rawgat-st; codecs ;;
    face) faces ;;
    video) measure video video 0; wide; check ;;
    attack | audit | failures | quote) "$part" ;;
    *) echo "unknown part $part (image, audio, face, video, attack, audit, failures, quote)" >&2; exit 2 ;;
  esac
done
case " $* " in *" quote "*) ;; *) quote ;; esac
