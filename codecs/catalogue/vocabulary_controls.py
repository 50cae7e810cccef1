"""What listeners say to what is playing. A control is the whole request, or it is none.

``#`` is a number, ``T`` a length of time ("30 seconds", "half an hour"), in any of the languages.
"""

# ruff: noqa: E501 - marks above and below letters have no width

CONTROLS = {
    "next": (
        "next|next song|next one|next track|next story|skip|skip song|skip this|play next|"
        "play next song|play next story|play next one|change song|change this song|another one|"
        "agla|agla gaana|agla gana bajao|agla gaana chalao|agla gaana sunao|agli kahani|"
        "agli kahani sunao|agla bajao|dusra gaana bajao|gaana badlo|aage badho|next gaana|"
        "tarvata|tarvata paata|taruvata paata|tarvata paata pettu|tarvati paata|"
        "mundina haadu|mundina|mundina haadu haaku|mundina kathe|"
        "adutha paattu|adutha paatu podu|aduthathu|adutha kathai|adutha pattu|"
        "adutha paattu vekku|aduttha|porer gaan|porer gaan chalao|porer ta|porer golpo|"
        "pudhcha|pudhche gaane|pudhche gaane lav|pudhil gaane|pudhil gaane lav|"
        "अगला|अगला गाना|अगला गाना बजाओ|अगला गाना सुनाओ|अगला गाना चलाओ|अगली कहानी|अगली कहानी सुनाओ|गाना बदलो|"
        "తర్వాత పాట|తర్వాతి పాట|తరువాత పాట|తర్వాత పాట పెట్టు|తర్వాతి|ಮುಂದಿನ ಹಾಡು|ಮುಂದಿನ|ಮುಂದಿನ ಹಾಡು ಹಾಕು|ಮುಂದಿನ ಕಥೆ|"
        "அடுத்த பாட்டு|அடுத்த பாடல்|அடுத்தது|அடுத்த பாட்டு போடு|அடுத்த கதை|അടുത്ത പാട്ട്|അടുത്തത്|അടുത്ത പാട്ട് വെക്കൂ|"
        "পরের গান|পরের গান চালাও|পরেরটা|পরের গল্প|पुढचं गाणं|पुढचे गाणे|पुढील गाणे|पुढचं गाणं लाव"
    ),
    "previous": (
        "previous|previous song|previous one|previous track|previous story|last song|"
        "play previous|play previous song|play last song|play last one|go back|back|"
        "go back one|song before|go to previous song|"
        "pichla|pichla gaana|pichla gaana bajao|pichla gaana chalao|pichla gaana sunao|pichli kahani|"
        "pichhla gaana|pehle wala gaana|pehle wala gaana bajao|peeche jao|"
        "munupati paata|mundati paata|venakki|hindina haadu|hindina|hindina haadu haaku|"
        "mundhaiya paattu|munthaiya paattu|pazhaya paattu|munpathe paattu|"
        "ager gaan|ager gaan chalao|ager ta|magcha|magche gaane|magil gaane|"
        "पिछला|पिछला गाना|पिछला गाना बजाओ|पिछला गाना चलाओ|पिछली कहानी|పాత పాట|మునుపటి పాట|ముందటి పాట|ಹಿಂದಿನ ಹಾಡು|"
        "ಹಿಂದಿನ|முந்தைய பாட்டு|முந்தைய பாடல்|മുൻപത്തെ പാട്ട്|കഴിഞ്ഞ പാട്ട്|আগের গান|আগেরটা|মাগের গান|मागचं गाणं|मागील गाणे"
    ),
    "pause": (
        "pause|pause song|pause music|pause story|pause it|wait|hold on|wait a moment|"
        "ruko|ruk jao|rukiye|thoda ruko|roko zara|pause karo|pause kar do|aagu|konjam aagu|aapu konchem|"
        "swalpa nillisu|pause maadu|pause cheyyi|pause pannu|nirthi vai|pause cheyyu|thamo|ektu thamo|"
        "pause koro|thamb|thamba|thoda thamb|रुको|रुक जाओ|रुकिए|पॉज|पॉज़ करो|आगु|ఆగు|కొంచెం ఆగు|పాజ్|పాజ్ చేయి|"
        "ಸ್ವಲ್ಪ ನಿಲ್ಲು|ಪಾಸ್ ಮಾಡು|நிறுத்தி வை|பாஸ் பண்ணு|থামো|একটু থামো|थांब|थांबा"
    ),
    "resume": (
        "resume|resume song|resume music|continue|continue playing|continue story|carry on|"
        "go on|keep playing|keep going|unpause|play|start again from there|continue song|"
        "phir se chalu karo|jaari rakho|chalu karo|chalne do|aage sunao|"
        "konasaginchu|malli modalupettu|munduvarisu|thodarvu|thodaru|thudaru|thudarnnu|"
        "chaliye jao|abar chalu koro|suru kar|chalu kar|chalu theva|"
        "जारी रखो|चालू करो|चलने दो|आगे सुनाओ|కొనసాగించు|ಮುಂದುವರಿಸು|தொடரவும்|தொடர்|തുടരൂ|തുടരുക|চালিয়ে যাও|चालू कर|सुरू कर|चालू ठेव"
    ),
    "stop": (
        "stop|stop song|stop music|stop it|stop playing|stop story|stop now|stop that|"
        "turn off|turn off music|turn it off|switch off|switch off music|shut up|quiet|be quiet|"
        "silence|enough|thats enough|stop singing|stop everything|end|exit|turn music off|"
        "band karo|band kar do|band kar|gaana band karo|gana band kar do|music band karo|bas karo|bas|"
        "chup|chup karo|chup ho jao|kahani band karo|roko|rok do|"
        "aapu|aapandi|aapey|paata aapu|paata aapandi|nillisu|nillisi|haadu nillisu|"
        "niruthu|nirutthu|paattai niruthu|paattu niruthu|nirthu|nirthoo|paattu nirthu|paattu nirthoo|"
        "bondho koro|bandho koro|gaan bondho koro|gaan bandho koro|band kara|gaane band kar|gaana band kar|"
        "बंद करो|बंद कर दो|बंद कर|गाना बंद करो|गाना बंद कर दो|कहानी बंद करो|बस|बस करो|चुप|चुप करो|रोको|"
        "ఆపు|ఆపండి|ఆపేయ్|పాట ఆపు|పాట ఆపండి|ನಿಲ್ಲಿಸು|ನಿಲ್ಲಿಸಿ|ಹಾಡು ನಿಲ್ಲಿಸು|நிறுத்து|நிறுத்துங்கள்|பாட்டை நிறுத்து|"
        "നിർത്തൂ|നിർത്തു|നിർത്ത്|പാട്ട് നിർത്തൂ|বন্ধ করো|গান বন্ধ করো|থামাও|बंद कर|बंद करा|गाणं बंद कर|गाणे बंद कर"
    ),
    "repeat": (
        "repeat|repeat song|repeat this|repeat it|repeat that|again|once more|one more time|"
        "play again|play it again|play that again|play this again|play song again|play same song|"
        "same song again|same again|sing again|sing it again|tell again|tell it again|encore|"
        "tell that story again|play this song again|loop|loop this|loop this song|from beginning|"
        "start over|restart|from start|play from beginning|start from beginning|repeat one|"
        "phir se|phir se bajao|phir se sunao|phir se chalao|dobara|dobara bajao|dobara sunao|ek baar aur|"
        "wahi gaana phir se|ek aur baar|malli|malli paadu|malli pettu|inkosari|matte|matthe haadu|"
        "mattomme|innomme|meendum|meendum paadu|thirumba|innoru thadava|veendum|onnu koodi|orikkal koodi|"
        "abar|abar bajao|abar shonao|aar ekbar|punha|punha lav|parat|parat lav|parat ekda|"
        "फिर से|फिर से बजाओ|फिर से सुनाओ|फिर से चलाओ|दोबारा|दोबारा बजाओ|दोबारा सुनाओ|एक बार और|మళ్ళీ|మళ్లీ|మళ్ళీ పాడు|మళ్ళీ పెట్టు|"
        "ఇంకోసారి|ಮತ್ತೆ|ಮತ್ತೊಮ್ಮೆ|ಇನ್ನೊಮ್ಮೆ|மீண்டும்|திரும்ப|மீண்டும் பாடு|വീണ്ടും|ഒന്നുകൂടി|ഒരിക്കൽ കൂടി|আবার|আবার শোনাও|আবার বাজাও|"
        "আরেকবার|पुन्हा|परत|पुन्हा लाव|परत लाव"
    ),
    "shuffle": (
        "shuffle|shuffle songs|shuffle music|shuffle all|shuffle playlist|mix songs|mix it up|"
        "play shuffled|play on shuffle|random order|in random order|shuffle play|turn on shuffle|"
        "shuffle karo|shuffle kar do|mila jula ke bajao|शफल|शफल करो|షఫుల్|షఫుల్ చేయి|ಷಫಲ್|ஷஃபிள்"
    ),
    "volume_up": (
        "louder|volume up|turn it up|turn up|turn volume up|turn up volume|increase volume|"
        "increase sound|raise volume|make it louder|speak louder|more volume|too quiet|play louder|"
        "cant hear|i cant hear|sound up|higher volume|"
        "awaaz badhao|awaz badhao|awaaz badha do|volume badhao|volume badha do|zor se|zor se bajao|tez karo|"
        "awaaz tez karo|sound penchu|volume penchu|gattiga|dhvani penchu|joraagi|volume jaasti maadu|"
        "jasti maadu|sattama|sathama|volume kootu|sattham kootu|sabdam kootu|ucchathil|shabdam koottu|"
        "awaj barao|volume barao|jore|jore bajao|awaj vadhav|aavaj vadhav|mothyane|"
        "आवाज़ बढ़ाओ|आवाज बढ़ाओ|आवाज़ तेज़ करो|वॉल्यूम बढ़ाओ|ज़ोर से|ज़ोर से बजाओ|సౌండ్ పెంచు|వాల్యూమ్ పెంచు|గట్టిగా|ಜೋರಾಗಿ|ಧ್ವನಿ ಹೆಚ್ಚಿಸು|"
        "ಸೌಂಡ್ ಜಾಸ್ತಿ ಮಾಡು|சத்தமாக|சத்தமா|சத்தத்தை கூட்டு|ഉച്ചത്തിൽ|ശബ്ദം കൂട്ടൂ|ശബ്ദം കൂട്ട്|আওয়াজ বাড়াও|জোরে|आवाज वाढव|मोठ्याने"
    ),
    "volume_down": (
        "quieter|softer|volume down|turn it down|turn down|turn volume down|turn down volume|"
        "decrease volume|reduce volume|lower volume|lower|make it quieter|make it softer|too loud|"
        "less volume|its too loud|sound down|play softer|lower the sound|reduce sound|"
        "awaaz kam karo|awaz kam karo|awaaz kam kar do|volume kam karo|volume kam kar do|dheere|dheere bajao|"
        "dheema karo|awaaz dheemi karo|sound tagginchu|volume tagginchu|nemmadiga|mellaga|mellage|"
        "volume kammi maadu|kammi maadu|volume kurai|sattham kurai|medhuva|shabdam kurakku|pathukke|"
        "awaj komao|volume komao|aste|aste bajao|awaj kami kar|aavaj kami kar|haluch|hallu|"
        "आवाज़ कम करो|आवाज कम करो|आवाज़ कम कर दो|वॉल्यूम कम करो|धीरे|धीरे बजाओ|धीमा करो|సౌండ్ తగ్గించు|వాల్యూమ్ తగ్గించు|"
        "మెల్లగా|నెమ్మదిగా|ಮೆಲ್ಲಗೆ|ಧ್ವನಿ ಕಡಿಮೆ ಮಾಡು|ಸೌಂಡ್ ಕಡಿಮೆ ಮಾಡು|மெதுவாக|மெதுவா|சத்தத்தை குறை|പതുക്കെ|ശബ്ദം കുറയ്ക്കൂ|ശബ്ദം കുറയ്ക്ക്|"
        "আওয়াজ কমাও|আস্তে|आवाज कमी कर|हळू"
    ),
    "volume": (
        "volume #|set volume #|set volume to #|volume to #|turn volume to #|volume # percent|"
        "set volume to # percent|volume level #|make volume #|set volume at #|turn it up to #|"
        "turn it down to #|volume # karo|volume # kar do|awaaz # karo|volume # pettu|volume # maadu|"
        "volume # vai|volume # koro|volume # kar|वॉल्यूम # करो|वॉल्यूम #|आवाज़ # करो|వాల్యూమ్ # పెట్టు|వాల్యూమ్ #|ವಾಲ್ಯೂಮ್ #"
    ),
    "mute": "mute|mute it|mute sound|unmute|म्यूट|मूक|awaaz band karo|आवाज़ बंद करो|आवाज बंद करो",
    "sleep": (
        "stop in T|stop after T|turn off in T|turn off after T|sleep timer T|set sleep timer T|"
        "set sleep timer for T|sleep timer for T|sleep in T|play for T|stop playing in T|"
        "stop playing after T|switch off in T|switch off after T|stop music in T|stop music after T|"
        "set a timer for T|go to sleep in T|timer T|timer for T|set timer T|set timer for T|in T stop|"
        "turn off music in T|stop song in T|stop song after T|T sleep timer|set T sleep timer|"
        "T baad band karo|T baad band kar do|T mein band karo|T mein band kar do|T ke baad band karo|"
        "T ke baad band kar do|T baad gaana band karo|T tarvata aapu|T lo aapu|T taruvata aapu|T nantara nillisu|"
        "T aada mele nillisu|T kazhithu niruthu|T kazhinju nirthu|T por bondho koro|T pore bondho koro|"
        "T nantar band kar|T ni band kar|T बाद बंद करो|T बाद बंद कर दो|T में बंद करो|T में बंद कर दो|T के बाद बंद करो|T के बाद बंद कर दो|T తర్వాత ఆపు|"
        "T లో ఆపు|T ನಂತರ ನಿಲ್ಲಿಸು|T கழித்து நிறுத்து|T കഴിഞ്ഞ് നിർത്തൂ|T পর বন্ধ করো|T পরে বন্ধ করো|T नंतर बंद कर"
    ),
    "forward": (
        "skip T|skip ahead T|skip forward T|forward T|fast forward T|fast forward|go forward T|"
        "go ahead T|jump ahead T|jump forward T|skip by T|seek T|seek forward T|move forward T|"
        "forward by T|go forward|skip ahead|skip forward|T forward|T ahead|skip #|forward #|"
        "T aage karo|T aage badhao|T aage|T aage jao|aage karo|T mundu ku|T munduku|T mundhe hogu|"
        "T munnadi po|T munnottu|T samne|T pudhe|T pudhe ja|"
        "T आगे|T आगे करो|T आगे बढ़ाओ|T ముందుకు|T ಮುಂದೆ|T முன்னே|T മുന്നോട്ട്|T সামনে|T पुढे"
    ),
    "rewind": (
        "rewind|rewind T|go back T|skip back T|back T|jump back T|move back T|seek back T|"
        "rewind by T|go back by T|skip backward T|skip backwards T|T back|rewind #|backward T|"
        "skip back|T peeche|T peeche karo|T peeche jao|T peechhe|T venakki|T hinde|T hinde hogu|"
        "T pinnadi po|T pinnottu|T pichone|T mage|T मागे|T पीछे|T पीछे करो|T पीछे जाओ|T వెనక్కి|T ಹಿಂದೆ|T பின்னே|T പിന്നോട്ട്|T পিছনে"
    ),
    "position": (
        "go to T|jump to T|seek to T|start at T|start from T|play from T|skip to T|"
        "go to minute #|jump to minute #"
    ),
}
"""Action -> what is said for it, ``|`` between."""

CONTROL_FILLERS = (
    "please pls plz kindly hey ok okay now the a an my can could would you will for me just "
    "zara jara na naa ji yaar konchem dayachesi dayavittu krupaya doya kore अब ज़रा जरा कृपया दयచేసి "
    "దయచేసి ದಯವಿಟ್ಟು தயவுசெய்து ദയവായി দয়া প্লীজ प्लीज़ प्लीज do"
)
"""Words that change no control; left out where they are no part of what is said for it."""

TIME_UNITS = {
    "1": "second seconds sec secs sekand sekend सेकंड सेकेंड सेकण्ड సెకన్లు సెకండ్లు సెకను ಸೆಕೆಂಡು ಸೆಕೆಂಡ್ "
    "வினாடி விநாடி செகண்ட் സെക്കൻഡ് সেকেন্ড सेकंद",
    "60": "minute minutes min mins minat minit nimisha nimishalu nimishada nimidam nimisham minute "
    "मिनट मिनिट నిమిషాల నిమిషాలు నిమిషం ನಿಮಿಷ ನಿಮಿಷಗಳ நிமிடம் நிமிடங்கள் മിനിറ്റ് മിനിട്ട് মিনিট मिनिटे मिनिटं मिनिटांनी",
    "3600": "hour hours hr hrs ghanta ghante ganta gante mani neram manikkur ghonta tas taas "
    "घंटा घंटे గంట గంటలు ಗಂಟೆ மணி மணிநேரம் മണിക്കൂർ ঘণ্টা ঘন্টা तास",
}
"""Seconds of a unit -> words for it."""
HALVES = "half aadha aadhe adha adhe aada ara arai adh आधा आधे అర ಅರ್ಧ அரை അര আধা अर्धा अर्धे"
ONE = "a an one ek oka ondu oru एक ఒక ಒಂದು ஒரு ഒരു এক"
