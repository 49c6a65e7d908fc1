#!/usr/bin/env bash
# Makes a static library that shows `bitsup_*` only, and a shared one of the same object: `cargo xtask localize`.
#
# usage: localize.sh [--strip] ARCHIVE OUTPUT [LIKE SHARED]    without arguments it looks for what it needs
#
# rustc gives every name in `libbitsup.a` to the whole program: the standard library's, those of all crates and, where
# they are bundled, libcurl's and OpenSSL's. They clash with the program's own. One relocatable link joins all objects
# and drops what no public function reaches; constructors that would initialise libcurl are removed, and all other names
# become local. Section groups are dissolved on the way: one that stays would be discarded beside the same group of
# another Rust library, and the first caught panic would find no personality routine.
set -euo pipefail
export LC_ALL=C

fail() {
    echo "$*" >&2
    exit 1
}

linker=
for candidate in ld ld.bfd; do
    [[ $("$candidate" --help 2>&1) != *--force-group-allocation* ]] || linker=$candidate
done
[ -n "$linker" ] || fail 'GNU ld 2.29 or newer is missing: install GNU binutils'
for program in ar objcopy objdump readelf; do
    [[ $("$program" --version 2>&1) == GNU\ * ]] || fail "GNU $program is missing: install GNU binutils"
done
[ $# -gt 0 ] || exit 0

strip=
[ "$1" != --strip ] || { strip=1 && shift; }
archive=$1 output=$2 like=${3-} shared=${4-}
work=$(mktemp -d -t bitsup-localize-XXXXXX)
trap 'rm -rf "$work"' EXIT

# Puts a file in the place of another, which programs may be using.
replace() {
    cp "$1" "$2.new"
    mv "$2.new" "$2"
}

# gcc's objects of intermediate code alone; those that have machine code too are as good as others.
! grep -qaF __gnu_lto_slim "$archive" || fail "$archive has objects without machine code: build it without -flto"
# nm would load the plugins of compilers, which fail at each other's objects.
readelf --archive-index -W "$archive" >"$work/index"
mapfile -t public < <(sed -nE 's/^\s*(bitsup_\S*)\s*$/\1/p' "$work/index" | sort -u)
[ ${#public[@]} -gt 0 ] || fail "$archive defines no bitsup_ function"

# -d: a common symbol of assembly code would be merged with that of another OpenSSL.
joined=$work/joined.o
"$linker" -r -d --force-group-allocation --gc-sections -o "$joined" "${public[@]/#/--undefined=}" "$archive"

# Intermediate code of compilers cannot be linked any more.
edit=(--remove-section=.llvmbc --remove-section=.llvmcmd '--remove-section=.gnu.lto_*')
[ -z "$strip" ] || edit+=(--strip-debug)

# The function at the value of a relocation, which is its name, or a section with an offset.
function_at() {
    local section=${1%+0x*} offset=0
    [ "$section" = "$1" ] || offset=${1##*+0x}
    [[ $section == .* ]] || { echo "$section" && return; }
    objdump -t -j "$section" "$joined" | awk -v value="$1" -v offset="$offset" '
        { sub(/^0+/, "", $1); sub(/^0+/, "", offset) }
        / F / && $1 == offset { value = $NF }
        END { print value }'
}

# Pointers to functions that run before `main`. libcurl is initialised by the first call that needs it; the standard
# library keeps where the arguments are. Any other is an error, so that no dependency brings one unseen.
for section in $(readelf -SW "$joined" | grep -oE ' \.(init_array|preinit_array|ctors)\S*'); do
    kept='' removed=''
    for value in $(objdump -r -j "$section" "$joined" | awk '/ R_/ { print $NF }'); do
        function=$(function_at "$value")
        case $function in
        *4curl9INIT_CTOR* | *11bitsup_wipe7libcurl11before_main*) removed=$function ;;
        *ARGV_INIT_ARRAY*) kept=$function ;;
        *) fail "$function would run before main: see $0" ;;
        esac
    done
    [ -z "$removed" ] || [ -z "$kept" ] || fail "$removed would run before main: it has a section with $kept"
    [ -n "$kept" ] || edit+=("--remove-section=$section")
done

# A weak reference from what was dropped is left as a strong one: it would make another Rust library's strong too.
readelf -sW "$joined" >"$work/symbols"
awk 'sub(/.* UND /, "") && NF { print $1 }' "$work/symbols" | sort -u >"$work/undefined"
[ ! -s "$work/undefined" ] || edit+=("--strip-unneeded-symbols=$work/undefined")
# So that debuggers and suppressions of sanitizers can tell these functions from the program's. Demanglers know such an
# end.
awk '$4 == "FUNC" && $7 != "UND" && $8 !~ /^bitsup_|\.bitsup$/ { print $8, $8 ".bitsup" }' "$work/symbols" |
    sort -u >"$work/renamed"
[ ! -s "$work/renamed" ] || edit+=("--redefine-syms=$work/renamed")
objcopy "${edit[@]}" --wildcard '--keep-global-symbol=bitsup_*' "$joined" "$work/bitsup.o"

# With the name and the libraries of the shared library, but for those that the compiler adds by itself.
if [ -n "$shared" ]; then
    dynamic=$(readelf -dW "$like")
    [[ $dynamic == *'(NEEDED)'* ]] || fail "$like is no shared library"
    echo '{ global: bitsup_*; local: *; };' >"$work/versions"
    options=("-Wl,-z,defs,-z,nodelete,-z,relro,-z,now,--gc-sections,--version-script=$work/versions")
    [ -z "$strip" ] || options+=(-Wl,--strip-debug)
    while read -r kind name; do
        case $kind$name in
        SONAME*) options+=("-Wl,-soname,$name") ;;
        NEEDEDlibc.so* | NEEDEDlibgcc_s.so* | NEEDEDld-linux*) ;;
        *) options+=("-l:$name") ;;
        esac
    done < <(sed -nE 's/.*\((SONAME|NEEDED)\).*\[(.*)\].*/\1 \2/p' <<<"$dynamic")
    cc -shared -o "$work/libbitsup.so" "$work/bitsup.o" "${options[@]}"
    replace "$work/libbitsup.so" "$shared"
fi
# Last, since it is what tells that both are there.
ar crs "$work/libbitsup.a" "$work/bitsup.o"
replace "$work/libbitsup.a" "$output"
