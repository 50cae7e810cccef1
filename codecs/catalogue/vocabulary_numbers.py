"""Numbers in words: those that always are numbers, and those only a unit makes one."""

# ruff: noqa: E501 - marks above and below letters have no width

NUMBERS = {
    "1": "one first 1st pehla pehli pahla pahli pehle modati modala mudhal prothom pahila pahili "
    "पहला पहली पहले మొదటి ಮೊದಲ ಮೊದಲನೆಯ முதல் ആദ്യത്തെ ഒന്നാം প্রথম पहिला पहिली",
    "2": "two second 2nd doosra dusra doosri dusri doosre dusre rendava rendo eradane irandam "
    "randam dwitiyo dusara dusari दूसरा दूसरी दूसरे రెండవ రెండో రెండు ಎರಡನೆಯ ಎರಡು இரண்டாம் இரண்டு രണ്ടാം "
    "രണ്ട് দ্বিতীয় দুই दुसरा दुसरी",
    "3": "three third 3rd teesra tisra teesri tisri moodava mudava mooraneya moonram moonnam "
    "tritiyo tisara तीसरा तीसरी तीन మూడవ మూడో మూడు ಮೂರನೆಯ ಮೂರು மூன்றாம் மூன்று മൂന്നാം മൂന്ന് তৃতীয় তিন तिसरा",
    "4": "four fourth 4th chautha chauthi naalgava nalgava naalkaneya naangam naalam choturtho "
    "चौथा चौथी चार నాలుగవ నాలుగు ನಾಲ್ಕನೆಯ ನಾಲ್ಕು நான்காம் நான்கு നാലാം നാല് চতুর্থ চার",
    "5": "five fifth 5th paanch paanchva panchva paanchvi aidava aidaneya ainthaam anjaam ponchom "
    "पांच पाँच पांचवां पांचवा पाँचवाँ పాంచ్ అయిదు ఐదు ఐదవ ಐದು ಐದನೆಯ ஐந்து ஐந்தாம் അഞ്ച് അഞ്ചാം পাঁচ পঞ্চম पाच",
    "6": "six sixth 6th chhah chhatha chhathi छह छः छठा ఆరు ఆరవ ಆರು ಆರನೆಯ ஆறு ஆறாம் ആറ് ആറാം ছয় ষষ্ঠ सहा",
    "7": "seven seventh 7th saatva saatvi सात सातवां ఏడు ఏడవ ಏಳು ಏಳನೆಯ ஏழு ஏழாம் ഏഴ് ഏഴാം সাত সপ্তম",
    "8": "eight eighth 8th aath aathva आठ आठवां ఎనిమిది ఎనిమిదవ ಎಂಟು ಎಂಟನೆಯ எட்டு எட்டாம் എട്ട് എട്ടാം আট অষ্টম",
    "9": "nine ninth 9th nauva नौ नौवां తొమ్మిది తొమ్మిదవ ಒಂಬತ್ತು ಒಂಬತ್ತನೆಯ ஒன்பது ஒன்பதாம் ഒമ്പത് ഒമ്പതാം নয় নবম नऊ",
    "10": "ten tenth 10th dasva दस दसवां పది పదవ ಹತ್ತು ಹತ್ತನೆಯ பத்து பத்தாம் പത്ത് പത്താം দশ দশম दहा",
    "11": "eleven eleventh 11th gyarah ग्यारह अकरा పదకొండు ಹನ್ನೊಂದು பதினொன்று এগারো",
    "12": "twelve twelfth 12th barah बारह बारा పన్నెండు ಹನ್ನೆರಡು பன்னிரண்டு বারো",
    "13": "thirteen thirteenth 13th terah तेरह",
    "14": "fourteen fourteenth 14th chaudah चौदह",
    "15": "fifteen fifteenth 15th pandrah पंद्रह",
    "16": "sixteen sixteenth 16th solah सोलह",
    "17": "seventeen seventeenth 17th satrah सत्रह",
    "18": "eighteen eighteenth 18th atharah अठारह",
    "19": "nineteen nineteenth 19th unnis उन्नीस",
    "20": "twenty twentieth 20th bees बीस ఇరవై ಇಪ್ಪತ್ತು இருபது ഇരുപത് কুড়ি वीस",
    "30": "thirty thirtieth tees तीस ముప్పై ಮೂವತ್ತು முப்பது",
    "40": "forty fortieth chalis चालीस",
    "50": "fifty fiftieth pachas पचास",
    "60": "sixty sixtieth साठ",
    "70": "seventy seventieth सत्तर",
    "80": "eighty eightieth अस्सी",
    "90": "ninety ninetieth नब्बे",
    "100": "hundred hundredth सौ",
}
"""Digits -> words that mean nothing else. Native numerals are strict, Latin spellings mostly not."""

WEAK_NUMBERS = {
    "1": "ek oka okati ondu onnu onru oru एक ఒక ఒకటి ಒಂದು ஒரு ஒன்று ഒന്ന് ഒരു এক",
    "2": "do rendu eradu irandu randu dui don to दो दोन",
    "3": "teen tin moodu mudu mooru muru moonu moonru moonnu",
    "4": "char chaar nalugu naalugu naalku nalku naalu nalu",
    "5": "panch pach aidu anju ainthu anchu",
    "6": "chhe che cheh aaru aru chhoy saha",
    "7": "saat sat edu elu ezhu eedu",
    "8": "enimidi entu ettu",
    "9": "nau tommidi ombattu onbathu onpathu noy nau",
    "10": "das dus padi hattu pathu patthu dosh daha",
}
"""Words that are numbers only beside a unit ("adhyay do") or a kind ("do gaane")."""

UNITS = {
    "chapter": "chapter chapters chap chaptar adhyay adhyaya adhyaay adhyayam adhyaayam adhyaayaha "
    "अध्याय चैप्टर అధ్యాయం ಅಧ್ಯಾಯ அத்தியாயம் അധ്യായം অধ্যায়",
    "episode": "episode episodes ep epi episod ank एपिसोड अंक ఎపిసోడ్ ಎಪಿಸೋಡ್ எபிசோடு এপিসোড",
    "part": "part parts bhag bhaag bhaga bhaagam bhagam paagam pagam hissa भाग हिस्सा పార్ట్ భాగం ಭಾಗ பாகம் ഭാഗം ভাগ পর্ব",
    "lesson": "lesson lessons paath path paatham पाठ పాఠం ಪಾಠ பாடம் പാഠം পাঠ",
    "verse": "verse verses stanza paasuram pasuram",
    "volume": "volume vol volumes",
    "level": "level levels",
    "day": "day days",
    "letter": "letter letters akshar अक्षर అక్షరం ಅಕ್ಷರ",
    "number": "number no num nambar nambara नंबर नम्बर నంబర్ ನಂಬರ್ எண் নম্বর",
}
"""Canonical unit -> words for it; "number" goes with any other."""
NEUTRAL_UNIT = "number"

ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8",
         "ix": "9", "x": "10", "xi": "11", "xii": "12"}  # fmt: skip
"""Read as numbers only right after a unit."""
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth pehla pehli pahla pahli "
    "doosra dusra doosri dusri teesra tisra teesri tisri chautha chauthi paanchva modati modala "
    "mudhal rendava rendo moodava eradane mooraneya irandam moonram prothom dwitiyo tritiyo "
    "pahila pahili dusara dusari tisara पहला पहली दूसरा दूसरी तीसरा तीसरी चौथा चौथी మొదటి రెండవ రెండో మూడవ "
    "మూడో ಮೊದಲ ಮೊದಲನೆಯ ಎರಡನೆಯ ಮೂರನೆಯ முதல் இரண்டாம் மூன்றாம் ആദ്യത്തെ ഒന്നാം രണ്ടാം മൂന്നാം প্রথম দ্বিতীয় তৃতীয় पहिला "
    "पहिली दुसरा दुसरी तिसरा 1st 2nd 3rd 4th 5th 6th 7th 8th 9th 10th"
)
"""Words that say which one rather than how many."""
