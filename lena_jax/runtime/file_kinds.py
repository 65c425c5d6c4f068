"""Say what a file is by its first bytes, for a message about a file that cannot be used."""

# How many first bytes `name_of` needs.
HEAD = 4096

_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "a HEIC picture"),
    **dict.fromkeys((b"avif", b"avis"), "an AVIF picture"),
    b"crx ": "a raw photograph (Canon CR3)",
    b"qt  ": "a video (QuickTime)",
}

# (offset, bytes, name); the first that fits counts.
_STARTS = (
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"8BPS", "a Photoshop file (PSD)"),
    (0, b"gimp xcf", "a GIMP file (XCF)"),
    (8, b"CR", "a raw photograph (Canon CR2)"),
    (0, b"FUJIFILMCCD-RAW", "a raw photograph (Fujifilm RAF)"),
    (0, b"IIRO", "a raw photograph (Olympus ORF)"),
    (0, b"IIRS", "a raw photograph (Olympus ORF)"),
    (0, b"MMOR", "a raw photograph (Olympus ORF)"),
    (0, b"IIU\0", "a raw photograph (Panasonic RW2)"),
    (0, b"FOVb", "a raw photograph (Sigma X3F)"),
    (0, b"\0MRM", "a raw photograph (Minolta MRW)"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (0, b"II+\0", "a BigTIFF picture"),
    (0, b"MM\0+", "a BigTIFF picture"),
    (0, b"v/1\x01", "an OpenEXR picture"),
    (0, b"#?RADIANCE", "a Radiance HDR picture"),
    (0, b"DDS ", "a DirectDraw surface (DDS)"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"\x0a\5\1", "a PCX picture"),
    (0, b"AT&TFORM", "a DjVu document"),
    (0, b"\xc5\xd0\xd3\xc6", "an EPS drawing"),
    (0, b"%!PS", "a PostScript drawing"),
    (0, b"%PDF", "a PDF document"),
    (0, b"{\\rtf", "a rich text document (RTF)"),
    (8, b"AVI ", "a video (AVI)"),
    (8, b"WAVE", "sound (WAV)"),
    (0, b"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
    (0, b"FLV\1", "a video (Flash)"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "a video (Windows Media)"),
    (0, b"\0\0\1\xba", "a video (MPEG)"),
    (0, b"ID3", "sound (MP3)"),
    (0, b"OggS", "sound or video (Ogg)"),
    (0, b"fLaC", "sound (FLAC)"),
    (0, b"\0\5\x16\7", "macOS's notes about a file (AppleDouble)"),
    (0, b"\0\5\x16\0", "macOS's notes about a file (AppleSingle)"),
    (0, b"\0\0\0\1Bud1", "macOS's notes about a folder (.DS_Store)"),
    (0, b"bplist00", "a property list of macOS"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"ARROW1", "an Arrow (Feather) file"),
    (0, b"ORC", "an ORC file"),
    (0, b"Obj\1", "an Avro file"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x80\x02", "a Python pickle"),
    (0, b"\x80\x03", "a Python pickle"),
    (0, b"\x80\x04", "a Python pickle"),
    (0, b"\x80\x05", "a Python pickle"),
    (0, b"$FL2", "an SPSS file"),
    (0, b"$FL3", "an SPSS file"),
    (0, b"<stata_dta>", "a Stata file"),
    (0, b"RDX", "an R data file"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office file"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"PK\5\6", "an empty ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"(\xb5/\xfd", "a Zstandard archive"),
    (0, b"7z\xbc\xaf'\x1c", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program of Windows"),
    (0, b"version https://git-lfs", "a pointer of Git LFS (run `git lfs pull` to get the file)"),
    (0, b"/annex/objects", "a pointer of git-annex (run `git annex get` to get the file)"),
)


def name_of(head: bytes) -> str | None:
    """Name the kind of a file, such as "a HEIC picture" or "a web page (HTML)"; None if it is unknown.

    Args:
        head: the first `HEAD` bytes of the file, or all of it.

    Example:
        >>> name_of(b"8BPS" + bytes(20)), name_of(b""), name_of(b"?")
        ('a Photoshop file (PSD)', 'an empty file', None)
    """
    head = head[:HEAD]
    if not head:
        return "an empty file"
    if not head.strip(b"\0"):
        return "a file of zero bytes, whose content was lost"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a video (MP4)")
    for offset, start, name in _STARTS:
        if head.startswith(start, offset):
            return name
    return _of_text(head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1024].lower())


def _of_text(text):
    """Name text by the language that it is written in."""
    if text.startswith(b"<svg") or (text.startswith((b"<?xml", b"<!doctype svg")) and b"<svg" in text):
        return "a drawing (SVG)"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<table")) or b"<html" in text[:512]:
        return "a web page (HTML)"
    if text.startswith(b"<?xml"):
        return "an XML file"
    return None
