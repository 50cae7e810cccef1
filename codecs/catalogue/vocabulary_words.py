"""Words that carry a request rather than name a title, by language.

Latin spellings stand for all that sound alike (``folding.sound``); native ones for what people
type or a recogniser writes. A word here is no obstacle to a title that contains it: it only
counts for less at either end of a request.
"""

# ruff: noqa: E501 - marks above and below letters have no width

CARRIERS = {
    "en": (
        "play sing tell put read start begin hear listen find give get show narrate say do want "
        "wanna like love need let lets have could can would will you u i me us we my our for "
        "please pls plz now hey hi hello ok okay the a an some any something anything one of to "
        "on up by from about called named titled with in it that this is id im just again "
        "kindly go ahead recite search open stream favourite favorite nice good another more "
        "version track title name um uh er hmm well "
        "wants there who what daughter son kid kids child children dear sweetie papa daddy dad mummy mommy "
        "mom mama grandma grandpa said"
    ),
    "hi": (
        "sunao suna sunaao sunaiye sunaye sunaiyega sunado sunade sunana sunna sunni sunaa "
        "bajao baja bajaiye bajado bajade bajana bajaa chalao chala chalaiye chalado chalu "
        "lagao laga lagado lagaiye lagaa gao gaao gaiye gaa batao bolo karo kar kijiye do de "
        "dijiye dena mujhe mujhko muje hume humein hamein hamko humko hum main mai koi ek kuch "
        "zara jara please ka ki ke ko se mein me par wala wali wale vala vali vale chahiye "
        "chahta chahti hai hain hoon hun abhi ab aur accha acha achha achchi achi achhi naam na naa "
        "bachche bachcho bachchon liye bhaiya bhai didi mummy yaar arre suno dijiyega waala waali "
        "ना न बच्चों बच्चे लिए भैया दीदी मम्मी पापा यार अरे "
        "सुनाओ सुना सुनाइए सुनाइये सुनना सुनाना सुनाएं बजाओ बजा बजाइए बजाना चलाओ चला चलाइए लगाओ लगा "
        "लगाइए गाओ गा गाइए बताओ बोलो करो दो दे दीजिए मुझे मुझको हमें हमको मैं कोई एक कुछ ज़रा जरा प्लीज़ "
        "प्लीज का की के को से में पर वाला वाली वाले चाहिए चाहता चाहती है हैं हूँ हूं अभी और अच्छा अच्छी प्ले नाम"
    ),
    "te": (
        "paadu padu paadandi padandi paadava paadavaa vinipinchu vinipinchandi vinipinchava "
        "vinalani vinali vinaali vundi undi pettu pettandi pettava veyi veyyi veyandi vesuko "
        "cheppu cheppandi cheppava chepu naaku naku maaku maku oka okati konchem dayachesi "
        "ane aney anna gurinchi kosam lo yokka play chey cheyi cheyandi kavali kaavali manchi amma nanna babu "
        "అమ్మా అమ్మ నాన్న "
        "పాడు పాడండి పాడవా వినిపించు వినిపించండి వినిపించవా వినాలని వినాలి ఉంది పెట్టు పెట్టండి పెట్టవా వేయి వెయ్యి "
        "వేయండి చెప్పు చెప్పండి చెప్పవా నాకు మాకు ఒక ఒకటి కొంచెం దయచేసి అనే అన్న గురించి కోసం లో ప్లే చేయి చెయ్యి "
        "చేయండి కావాలి మంచి"
    ),
    "kn": (
        "haadu hadu haadi hadi haadiri kelisu kelisi kelabeku keLabeku kelisiri keLisu nudisu "
        "nudisi haaku haku haaki haki heLu helu heli helabeku heLi heLiri nanage nange namage "
        "ondu swalpa dayavittu emba anno annuva bagge maadu madu maadi madi beku olleya yavudadru yaavudaadaru amma appa "
        "ಅಮ್ಮ ಅಪ್ಪ ಯಾವುದಾದರೂ "
        "ಹಾಡು ಹಾಡಿ ಹಾಡಿರಿ ಕೇಳಿಸು ಕೇಳಿಸಿ ಕೇಳಬೇಕು ನುಡಿಸು ನುಡಿಸಿ ಹಾಕು ಹಾಕಿ ಹೇಳು ಹೇಳಿ ಹೇಳಿರಿ ನನಗೆ ನಮಗೆ "
        "ಒಂದು ಸ್ವಲ್ಪ ದಯವಿಟ್ಟು ಎಂಬ ಅನ್ನುವ ಬಗ್ಗೆ ಪ್ಲೇ ಮಾಡು ಮಾಡಿ ಬೇಕು ಒಳ್ಳೆಯ"
    ),
    "ta": (
        "paadu padu paadunga padunga podu podunga poodu sollu sollunga solungal sollungal kettu "
        "ketka kekanum ketkanum kekkanum vendum venum enakku enaku engalukku oru konjam thayavu "
        "seithu endra enra patri isai isaikkavum vai vainga nalla play pannu pannunga amma appa "
        "அம்மா அப்பா "
        "பாடு பாடுங்கள் பாடுங்க போடு போடுங்கள் போடுங்க சொல்லு சொல்லுங்கள் சொல்லுங்க சொல் கேட்க கேட்கணும் கேக்கணும் "
        "வேண்டும் வேணும் எனக்கு எங்களுக்கு ஒரு கொஞ்சம் தயவுசெய்து என்ற பற்றி பிளே ப்ளே பண்ணு பண்ணுங்க செய் "
        "செய்யுங்கள் வை நல்ல ஒலிக்க"
    ),
    "ml": (
        "paadu padu paadoo paadoo paadi paadamo padamo vekku vekkoo vekkuu vaykku vayku idu ittu "
        "kelppikku kelpikku kelpikkoo kelkkanam kelkanam parayu paray parayoo paranju tharu "
        "tharumo enikku eniku njangalkku oru onnu dayavayi enna kurichu venam nalla cheyyu "
        "പാടു പാടൂ പാടാമോ പാടി വെക്കൂ വെക്ക് വയ്ക്കൂ വെക്കു ഇടൂ ഇടു കേൾപ്പിക്കൂ കേൾപ്പിക്ക് കേൾക്കണം പറയൂ പറയു പറഞ്ഞു "
        "തരൂ തരാമോ തരുമോ എനിക്ക് ഞങ്ങൾക്ക് ഒരു ഒന്ന് ദയവായി എന്ന കുറിച്ച് വേണം നല്ല പ്ലേ ചെയ്യൂ ചെയ്യുക"
    ),
    "bn": (
        "shonao sonao shunao shonaao shonan bajao bajan chalao chalan gao gaao gan dao daao den "
        "bolo balo bolun amake amaake amader ekta akta ektu doya kore koro chai shunte sunte "
        "naame ei oi niye bhalo na to "
        "না তো "
        "শোনাও শোনান শুনাও বাজাও বাজান চালাও চালান গাও দাও দিন বলো বল বলুন আমাকে আমায় আমাদের একটা একটি একটু "
        "দয়া করে করো চাই শুনতে নামে নিয়ে প্লে ভালো"
    ),
    "mr": (
        "aikav aikava aikva aaikav aikavaa aikvaa aikvaycha aikaychay aikayche aikaycha vajav "
        "vajva vajava lav laav lava laava gaa mhan mhana saang sang sanga saanga mala malaa "
        "hava hawa havi ना हवा "
        "aamhala amhala ek ekhade ekhada ekhadi krupaya haa hi he cha chi che navache navacha "
        "navachi pahije havay have chhan "
        "ऐकव ऐकवा ऐकायचं ऐकायचे ऐकायचंय ऐकायची वाजव वाजवा लाव लावा गा म्हण म्हणा सांग सांगा मला आम्हाला "
        "एखादं एखादे एखादी कृपया हे ही हा चा ची चे नावाचे नावाचं नावाची पाहिजे हवंय हवी छान"
    ),
}

ANYTHING = (
    "something anything whatever surprise kuch kuchh edaina emaina yenadru enadru yenaadaru edavathu "
    "ethavathu ethaavathu enthenkilum enthelum kichu kahitari kahi "
    "कुछ ఏదైనా ఏమైనా ಏನಾದರೂ ஏதாவது എന്തെങ്കിലും কিছু काहीतरी काही"
)
"""Words that leave open what is wanted."""

RECOMMENDING = (
    "recommend recommends recommendation recommendations suggest suggests suggestion suggestions "
    "sujhao sujhav sujhaav sujhaiye suchao suchana soochinchu sujestu parindhurai "
    "सुझाओ सुझाव सुझाइए సూచించు సూచన ಸೂಚಿಸು ಸಲಹೆ பரிந்துரை നിർദ്ദേശിക്കൂ সুপারিশ सुचव सुचवा"
)
"""Words that leave open what is wanted, and ask for what the listener likes."""

KINDS = {
    "music": (
        "song songs music tune tunes rhyme rhymes melody melodies jingle track tracks sing "
        "gaana gana gaane gane gaano ganon geet git geeton sangeet sangit naghma "
        "paata patalu paatalu paatanu patanu pata haadu haadannu hadannu haadugalu hadugalu "
        "gaanam ganam paattu pattu paatu paattukal paadal padal padalgal paadalgal gaan gan gaanti "
        "gaani gani gaanee gaanyanche "
        "गाना गाने गानों गीत गीतों संगीत म्यूजिक म्यूज़िक सॉन्ग पाट పాట పాటలు పాటను సంగీతం ಹಾಡು ಹಾಡನ್ನು "
        "ಹಾಡುಗಳು ಹಾಡುಗಳನ್ನು ಸಂಗೀತ ಗೀತೆ பாட்டு பாடல் பாடலை பாட்டை பாடல்கள் பாட்டுகள் இசை പാട്ട് പാട്ടുകൾ ഗാനം സംഗീതം "
        "গান গানটা গানটি গীত সঙ্গীত সংগীত गाणे गाणं गाणी गाण"
    ),
    "story": (
        "story stories tale tales storey fable fables "
        "kahani kahaani kahaniyan kahaniya kahaniyaan kissa katha kathaa kathalu kathanu katheya "
        "kathe kathegalu kathai kadhai kathaigal kadha kadhakal golpo galpo golpota goshta gosht "
        "goshti goshtee "
        "कहानी कहानियां कहानियाँ कहानियों किस्सा कथा स्टोरी కథ కథలు కథను కథని ಕಥೆ ಕಥೆಗಳು ಕಥೆಯನ್ನು ಕತೆ கதை "
        "கதைகள் கதையை കഥ കഥകൾ গল্প গল্পটা গল্পটি কাহিনী गोष्ट गोष्टी"
    ),
}
"""Words for what is asked for; "haadu" is both "sing" and "song", and counts as the song."""

STORY_VERBS = "tell narrate read cheppu heLu sollu parayu bolo saang सांग चెప్పు சொல்லு"
MUSIC_VERBS = "sing gao paadu haadu गाओ పాడు பாடு പാടൂ গাও"

LANGUAGES = {
    "en": "english angrezi inglish अंग्रेजी अंग्रेज़ी इंग्लिश ఇంగ్లీష్ ఆంగ్ల ಇಂಗ್ಲಿಷ್ ಆಂಗ್ಲ ஆங்கில ஆங்கிலம் ഇംഗ്ലീഷ് ইংরেজি इंग्रजी",
    "hi": "hindi हिंदी हिन्दी హిందీ ಹಿಂದಿ இந்தி ஹிந்தி ഹിന്ദി হিন্দি",
    "te": "telugu telegu thelugu तेलुगु तेलुगू తెలుగు ತೆಲುಗು தெலுங்கு തെലുങ്ക് তেলুগু",
    "kn": "kannada kannad kanada कन्नड़ कन्नड కన్నడ ಕನ್ನಡ கன்னட கன்னடம் കന്നഡ কন্নড়",
    "ta": "tamil thamizh tamizh तमिल తమిళ ತಮಿಳು தமிழ் തമിഴ് তামিল तमिळ",
    "ml": "malayalam malyalam मलयालम మలయాళం ಮಲಯಾಳಂ மலையாளம் മലയാളം মালায়ালম",
    "bn": "bengali bangla bangali बंगाली बांग्ला బెంగాలీ ಬಂಗಾಳಿ வங்காள വംഗാളി বাংলা বাঙালি",
    "mr": "marathi मराठी మరాఠీ ಮರಾಠಿ மராத்தி മറാഠി মারাঠি",
    "gu": "gujarati gujrati गुजराती ગુજરાતી",
    "pa": "punjabi panjabi पंजाबी ਪੰਜਾਬੀ",
    "or": "odia oriya ओड़िया ଓଡ଼ିଆ",
    "as": "assamese অসমীয়া",
    "sa": "sanskrit sanskrith संस्कृत సంస్కృత ಸಂಸ್ಕೃತ சமஸ்கிருத",
    "ur": "urdu उर्दू",
    "fr": "french",
    "es": "spanish",
    "de": "german",
    "it": "italian",
    "zh": "chinese mandarin",
    "ja": "japanese",
    "ar": "arabic",
}
"""Names of languages by BCP 47 code, for folders and requests alike."""
