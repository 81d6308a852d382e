"""One skeleton for all scripts: however a word is typed, in Cyrillic or in Latin letters, it folds to the same letters.

The skeleton keeps what every way of typing keeps: ө ү у о are one letter, х is h, ц and ч are c, ш is ʃ, й ы ь are i.
Folding a skeleton gives the same skeleton. Time is linear in the length of the text.
"""

import re
import unicodedata

CAP = 600  # characters of a message that are read as a question; danger is looked for in the whole

CYRILLIC = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "yo", "ж": "j", "з": "z", "и": "i", "й": "i", "к": "k",
        "л": "l", "м": "m", "н": "n", "о": "o", "ө": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "o", "ү": "o", "ф": "p",
        "х": "h", "ц": "c", "ч": "c", "ш": "ʃ", "щ": "ʃ", "ъ": "", "ы": "i", "ь": "i", "э": "e", "ю": "yo", "я": "ya",
        # other keyboards and old fonts: Ukrainian є ї for ө ү, Kazakh and Uzbek letters, a barred o from the phonetic block
        "є": "o", "ї": "o", "ɵ": "o", "ұ": "o", "ў": "o", "і": "i", "һ": "h",
    }
)  # fmt: skip
ACCENTS = str.maketrans({"ö": "o", "ü": "u", "ä": "a", "é": "e", "è": "e", "š": "ʃ", "č": "c", "ž": "j"})
LOOK_ALIKE = str.maketrans("aeopcyxkmthb", "аеорсухкмтнв")  # Latin letters that slip into a Cyrillic word

IS_CYRILLIC = re.compile(r"[а-яёөүєїɵұўһі]")
IS_LATIN = re.compile(r"[a-z]")
APOSTROPHE = re.compile(r"(?<=\w)['’`ʼ](?=\w)")
WORD = re.compile(r"[^\W_]+")

CONSONANT = "[bcdghjklmnprstzʃ]"
LETTERS = [  # over all words at once, each with a blank before and after it; in this order: groups before what they are made of
    (re.compile(pattern), skeleton)
    for pattern, skeleton in (
        (r"(?<= )yv", "yav"),  # yvj for явж
        (r"(?<=[a-zʃ46][a-zʃ46])4|4(?=[aeiouvwy])", "c"),  # ч typed by its look
        (r"(?<=[a-zʃ46][a-zʃ46])6|6(?=[aeiouvwy])", "ʃ"),  # ш likewise
        (r"w", "v"),
        (r"q", "c"),
        (r"f", "p"),
        (r"vv", "o"),
        (r"([^ ])\1+", r"\1"),
        (r"kh|k?x", "h"),
        (r"hh+", "h"),
        (r"sh", "ʃ"),
        (r"t[sz]", "c"),
        (r"ch", "c"),
        (r"zh|dj", "j"),
        (rf"(?<={CONSONANT})v(?={CONSONANT}| )|(?<= )v(?={CONSONANT})", "o"),  # v for ү: hvn, vne
        (r"(?<=g)vi(?= )", "oi"),  # -гүй
        (r"ye", "e"),
        (r"iy(?=[aeo])", "i"),  # amiya for амиа
        (r"y(?![aou])", "i"),
        (r"u", "o"),
        (r"([^ ])\1+", r"\1"),
        (r"(?<=[^ ][^ ])hgoi?(?= )|(?<=[^ ][^ scz])k[ov]i?(?= )", "hgo"),  # -хгүй, typed -hgui, -hgu, -ku, -kv
        (r"([^ ])\1+", r"\1"),
    )
]

SHORT_FORMS = {  # what people leave out, as skeletons
    "bn": "baina", "bna": "baina", "bno": "baina o", "sbno": "sain baina o", "sbn": "sain baina", "sno": "sain o", "bga": "baiga",
    "bgn": "baiga", "bgad": "baigad", "bdg": "baidag", "bdag": "baidag",
    "bgo": "baihgo", "bhgo": "baihgo", "gj": "gej", "gd": "ged",
    "gsn": "gesen", "gsen": "gesen", "gdg": "gedeg", "hn": "hon", "im": "yom", "be": "ve",
    "hde": "heden", "mdhgo": "medehgo", "mdehgo": "medehgo", "medhgo": "medehgo", "cdhgo": "cadahgo", "cadhgo": "cadahgo",
    "hrgtei": "heregtei", "hrg": "hereg", "clmj": "toslamj", "toslmj": "toslamj", "bairla": "bayarlala",
    "bairlala": "bayarlala", "hmr": "hamar", "odr": "odor", "zgr": "zoger",
    "imo": "yom o", "imbe": "yom ve", "yombe": "yom ve",
}  # fmt: skip


def words(text: str) -> list[str]:
    """The folded words of a text, in order."""
    return fold(text).split()


def fold(text: str) -> str:
    """The text as its skeleton: folded words with one blank between them."""
    plain = APOSTROPHE.sub("", unicodedata.normalize("NFC", text.lower()))
    said = WORD.findall(plain)
    if not plain.isascii():
        said = [word if word.isascii() else letters(word) for word in said]
    folded = f" {' '.join(said)} "
    for pattern, skeleton in LETTERS:
        folded = pattern.sub(skeleton, folded)
    return " ".join(SHORT_FORMS.get(word, word) for word in folded.split())


def letters(word: str) -> str:
    """A word with letters beyond a to z, in letters from a to z and ʃ."""
    if not IS_CYRILLIC.search(word):
        return word.translate(ACCENTS)
    if IS_LATIN.search(word):
        word = word.translate(LOOK_ALIKE)
    return word.translate(CYRILLIC)
