#!/bin/sh
# A Debian of arm64 and the packages of the runtime, for QEMU in user mode, in the folder that is given. Needs no root.
# On Debian: packages come from the lists of this system, and QEMU 10 of the release after 12, since that of 12 (7.2) computes SME wrongly.
set -eu
FOLDER=$1 PIP=$2 RELEASE=bookworm NEXT=trixie
rm -rf "$FOLDER.part" && mkdir -p "$FOLDER.part" && cd "$FOLDER.part"

lists() { # name, release, architecture: settings of apt in a folder of their own
  mkdir -p "$1/lists/partial" "$1/archives/partial" "$1/sources"
  awk 'BEGIN { RS = ""; ORS = "\n\n" } !/security/' /etc/apt/sources.list.d/debian.sources |
    sed "s/^Suites:.*/Suites: $2/" > "$1/sources/debian.sources"
  cat > "$1/apt.conf" <<CONF
APT::Architecture "$3"; APT::Architectures "$3"; APT::Sandbox::User "root";
Dir::Etc::SourceList "/dev/null"; Dir::Etc::SourceParts "$PWD/$1/sources";
Dir::State::Lists "$PWD/$1/lists"; Dir::State::status "/dev/null"; Dir::Cache "$PWD/$1";
CONF
  APT_CONFIG=$PWD/$1/apt.conf apt-get -q update
}
unpack() { dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --wildcards "$3"; }

lists next "$NEXT" "$(dpkg --print-architecture)"
(cd next && APT_CONFIG=$PWD/apt.conf apt-get -q download qemu-user)
mkdir root && for deb in next/qemu-user_*.deb; do unpack "$deb" . './usr/bin/qemu-aarch64'; done
mv usr/bin/qemu-aarch64 qemu-aarch64

lists arm64 "$RELEASE" arm64
APT_CONFIG=$PWD/arm64/apt.conf apt-get -q -y --no-install-recommends --download-only install python3.11 libgomp1 libstdc++6
for deb in arm64/archives/*.deb; do unpack "$deb" root '*'; done

"$PIP" -q install --target site --only-binary=:all: --python-version 3.11 --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
  --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 "ai-edge-litert>=2.3" numpy onnxruntime soundfile tokenizers
rm -rf next arm64 usr && cd / && rm -rf "$FOLDER" && mv "$FOLDER.part" "$FOLDER"
