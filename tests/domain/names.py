"""Names that files have, as users' files have them, and names that no file can have."""

import unicodedata

NFC = unicodedata.normalize("NFC", "é.jpg")
NFD = unicodedata.normalize("NFD", "é.jpg")

ANY_NAMES = (
    "50%.jpg",
    "50%25.jpg",
    "a+b.jpg",
    NFC,
    NFD,
    "部品.png",
    "a, b; c.jpg",
    "'a' \"b\".jpg",
    "a[1](2){3}<4>.jpg",
    "-rf.jpg",
    "_MG_0001.JPG",
    "a#1.jpg",
    "what?*.bmp",
    "a&b=c@d:e!$^~`|.webp",
    " a .jpg",
    "IMG..jpg",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467.jpeg",
    "\u200e\u0634\u0643\u0644.jpg",
    "Bildschirmfoto\u202f1.png",
    "x" * 196 + ".jpg",
    "x" * 251 + ".jpg",
    "部" * 83 + ".jpg",
)

NO_NAMES = {
    "": "names no file",
    "..": "names no file",
    "../b.png": "holds a path separator",
    "a/b.png": "holds a path separator",
    "a\\b.png": "holds a path separator",
    "a\0.png": "holds a control character",
    "a\nb.png": "holds a control character",
    "a\x1b[31m.png": "holds a control character",
    "a\x7f.png": "holds a control character",
    "a\u2028b.png": "holds a control character",
    "a\udcff.png": "is no UTF-8",
    "x" * 252 + ".png": "has 256 bytes in UTF-8, more than 255",
    "部" * 84 + ".png": "has 256 bytes in UTF-8, more than 255",
}

CLUTTER = (
    "._A.JPG",
    ".DS_Store",
    ".hidden.png",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "Icon\r",
    "__MACOSX/._A.JPG",
    "__MACOSX/A.JPG",
    "sub/__MACOSX/A.JPG",
    "@eaDir/A.JPG/SYNOPHOTO_THUMB_M.jpg",
    ".thumbnails/A.JPG",
    "A.JPG.part",
    "A.JPG.crdownload",
    "A.JPG.tmp",
    "~$A.jpg",
    "A.JPG~",
    "A.xmp",
    "A.AAE",
    "A.THM",
    "A.json",
    "notes.txt",
    "README",
    "README.md",
)
