#!/usr/bin/env bash
# Composed pictures, and whole ones beside them, through decoders that are not this package's: how
# many are as FFmpeg in PyAV shows them. A decoder that is not installed is named and left out.
# Fails where composed pictures differ in a decoder that shows the whole ones right.
#
#   ci/still_rows/decoders.sh [FOLDER]
#
# In Debian: ffmpeg; openh264 in gstreamer1.0-plugins-bad, with gstreamer1.0-tools. From their
# sources: ldecod of JM, the reference software of H.264; avcdec of Android's libavc; edge264_yuv,
# the example in the README of edge264.
set -uo pipefail
[[ $# -le 1 ]] || { echo "usage: ci/still_rows/decoders.sh [FOLDER]" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
folder=${1:-$root/build/decoders}
here=$root/ci/still_rows
"$python" "$here/streams.py" "$folder" || exit 1
cd "$folder" || exit 1

limit="timeout 120"
ffmpeg_threads() { # STREAM COUNT KIND
    $limit ffmpeg -v error -xerror -err_detect explode -threads "$2" -thread_type "$3" -i "$1" \
        -vsync 0 -f rawvideo -y out.yuv
}
none() { ffmpeg_threads "$1" 1 slice; }
slice() { ffmpeg_threads "$1" 4 slice; }
frame() { ffmpeg_threads "$1" 4 frame; }
openh264() {
    $limit gst-launch-1.0 -q filesrc location="$1" ! h264parse ! openh264dec \
        ! video/x-raw,format=I420 ! filesink location=out.yuv
}
jm() { $limit ldecod -p InputFile="$1" -p OutputFile=out.yuv -p Silent=1; }
libavc() {
    printf -- '--input %s\n--save_output 1\n--num_frames -1\n--output out.yuv\n' "$1" >avcdec.cfg
    printf -- '--chroma_format YUV_420P\n--num_cores 1\n--arch X86_GENERIC\n' >>avcdec.cfg
    $limit avcdec avcdec.cfg
}
edge264() { $limit edge264_yuv "$1" >out.yuv; }

declare -A commands=([none]=ffmpeg [slice]=ffmpeg [frame]=ffmpeg [openh264]=gst-launch-1.0
    [jm]=ldecod [libavc]=avcdec [edge264]=edge264_yuv)
declare -A names=([none]="ffmpeg, 1 thread" [slice]="ffmpeg, slices" [frame]="ffmpeg, frames")

equal() { # DECODER STREAM
    rm -f out.yuv
    "$1" "$2" 2>decoder.log >&2
    "$python" "$here/same_pictures.py" "$2" out.yuv
}

failed=0
printf '%-18s%-20s%-30s%s\n' decoder stream composed whole
for decoder in none slice frame openh264 jm libavc edge264; do
    name=${names[$decoder]:-$decoder}
    if ! command -v "${commands[$decoder]}" >/dev/null; then
        printf '%-18s%s is missing\n' "$name" "${commands[$decoder]}"
        continue
    fi
    for composed in composed-*.264; do
        of=${composed#composed-}
        whole=$(equal "$decoder" "whole-$of") && is_right=1 || is_right=0
        made=$(equal "$decoder" "$composed") || failed=$((failed | is_right))
        printf '%-18s%-20s%-30s%s\n' "$name" "${of%.264}" "$made" "$whole"
    done
done
exit $failed
