#!/bin/sh
# Writes the files in tests/data/audio/fixtures: the same spoken digits as FLAC, MP3, Ogg Vorbis, Ogg Opus, M4A and WAV.
# Needs espeak-ng, ffmpeg and sox.
set -e
cd "$(dirname "$0")/../data/audio/fixtures"
espeak-ng -v en -s 170 -w speech.wav "seven three one"
sox speech.wav -r 16000 -c 1 -b 16 mono.wav rate -v
sox speech.wav -r 22050 -c 2 stereo.wav rate -v
for channels in mono stereo; do
  ffmpeg -v error -y -i $channels.wav $channels.flac
  ffmpeg -v error -y -i $channels.wav -b:a 48k $channels.mp3
  ffmpeg -v error -y -i $channels.wav -c:a libvorbis -q:a 3 $channels.ogg
  ffmpeg -v error -y -i $channels.wav -c:a libopus -b:a 24k $channels.opus
  ffmpeg -v error -y -i $channels.wav -c:a aac -b:a 48k $channels.m4a
done
rm speech.wav stereo.wav
