"""What a listener is told where a request cannot simply be met, in the listener's language."""

from .answers import Answer, Ask, NotFound, Play

_NOT_FOUND = {
    "en": "I did not find {}.",
    "hi": "मुझे {} नहीं मिला।",
    "te": "నాకు {} దొరకలేదు.",
    "kn": "ನನಗೆ {} ಸಿಗಲಿಲ್ಲ.",
    "ta": "{} கிடைக்கவில்லை.",
    "ml": "{} കിട്ടിയില്ല.",
    "bn": "আমি {} খুঁজে পাইনি।",
    "mr": "मला {} सापडले नाही.",
}
_NOTHING_FOUND = {
    "en": "I did not understand that.",
    "hi": "मैं समझ नहीं पाया।",
    "te": "నాకు అర్థం కాలేదు.",
    "kn": "ನನಗೆ ಅರ್ಥವಾಗಲಿಲ್ಲ.",
    "ta": "எனக்குப் புரியவில்லை.",
    "ml": "എനിക്ക് മനസ്സിലായില്ല.",
    "bn": "আমি বুঝতে পারিনি।",
    "mr": "मला समजले नाही.",
}
_NOT_NOW = {
    "en": "Not now. You can ask again at {}.",
    "hi": "अभी नहीं। {} बजे फिर पूछना।",
    "te": "ఇప్పుడు కాదు. {} గంటలకు మళ్ళీ అడగండి.",
    "kn": "ಈಗ ಬೇಡ. {} ಗಂಟೆಗೆ ಮತ್ತೆ ಕೇಳಿ.",
    "ta": "இப்போது வேண்டாம். {} மணிக்கு மீண்டும் கேளுங்கள்.",
    "ml": "ഇപ്പോൾ വേണ്ട. {} മണിക്ക് വീണ്ടും ചോദിക്കൂ.",
    "bn": "এখন নয়। {} টায় আবার বলো।",
    "mr": "आता नाही. {} वाजता पुन्हा विचारा.",
}
_FORBIDDEN = {
    "en": "I may not play that.",
    "hi": "मैं यह नहीं बजा सकता।",
    "te": "నేను దాన్ని ప్లే చేయకూడదు.",
    "kn": "ನಾನು ಅದನ್ನು ಹಾಕುವಂತಿಲ್ಲ.",
    "ta": "நான் அதைப் போடக்கூடாது.",
    "ml": "എനിക്ക് അത് വെക്കാൻ അനുവാദമില്ല.",
    "bn": "আমি ওটা চালাতে পারি না।",
    "mr": "मला ते लावता येत नाही.",
}
_DID_YOU_MEAN = {
    "en": ("Did you mean {}?", " or "),
    "hi": ("क्या आपका मतलब {} था?", " या "),
    "te": ("మీరు అడిగింది {} ఆ?", " లేదా "),
    "kn": ("ನೀವು ಕೇಳಿದ್ದು {} ಆ?", " ಅಥವಾ "),
    "ta": ("நீங்கள் கேட்டது {} ஆ?", " அல்லது "),
    "ml": ("നിങ്ങൾ ചോദിച്ചത് {} ആണോ?", " അല്ലെങ്കിൽ "),
    "bn": ("আপনি কি {} বলতে চেয়েছেন?", " না "),
    "mr": ("तुम्हाला {} म्हणायचे होते का?", " किंवा "),
}
_BECAUSE = {
    "en": "Because you like {}: {}.",
    "hi": "क्योंकि आपको {} पसंद है: {}।",
    "te": "మీకు {} ఇష్టం కాబట్టి: {}.",
    "kn": "ನಿಮಗೆ {} ಇಷ್ಟ, ಆದ್ದರಿಂದ: {}.",
    "ta": "உங்களுக்கு {} பிடிக்கும் என்பதால்: {}.",
    "ml": "നിങ്ങൾക്ക് {} ഇഷ്ടമായതിനാൽ: {}.",
    "bn": "কারণ তোমার {} ভালো লাগে: {}।",
    "mr": "कारण तुम्हाला {} आवडते: {}.",
}
LANGUAGES = tuple(_NOT_FOUND)
"""Those that there are replies in."""


def reply_to(answer: Answer, language: str) -> tuple[str, str]:
    """Return what the listener is told and in which language; empty where something just plays.

    A language without replies is answered in English.
    """
    primary = language.partition("-")[0].lower()
    known = primary if primary in LANGUAGES else "en"
    if isinstance(answer, Ask):
        asked, either = _DID_YOU_MEAN[known]
        return asked.format(either.join(title.title for title in answer.titles)), known
    if isinstance(answer, NotFound):
        wanted = answer.wanted
        if answer.until:
            return _NOT_NOW[known].format(answer.until), known
        if answer.forbidden:
            return _FORBIDDEN[known], known
        return (_NOT_FOUND[known].format(wanted) if wanted else _NOTHING_FOUND[known]), known
    if isinstance(answer, Play) and answer.because:
        return _BECAUSE[known].format(answer.because, answer.titles[0].title), known
    return "", known
