"""Kinds of titles people ask for by theme: categories in several languages, and moods."""

# ruff: noqa: E501 - marks above and below letters have no width

CATEGORIES = {
    "fantasy": "fantasy fantasies fairytale fairytales fairy magical jadui pari pariyon kalpanik "
    "जादुई परी परियों काल्पनिक ఫాంటసీ ಫ್ಯಾಂಟಸಿ",
    "adventure": "adventure adventures adventurous sahasik saahasik sahasa रोमांचक साहसिक సాహస ಸಾಹಸ சாகச",
    "bedtime": "bedtime goodnight nighttime sone सोने",
    "educational": "educational education learning shikshaprad शिक्षाप्रद शैक्षिक విద్యా",
    "phonics": "phonics phonic phonix फोनिक्स",
    "devotional": "devotional bhakti bhajan bhajans aarti devotion spiritual भक्ति भजन आरती భక్తి ಭಕ್ತಿ பக்தி ভক্তি",
    "sloka": "sloka slokas shloka shlokas shlok slokam mantra mantras श्लोक मंत्र శ్లోకం ಶ್ಲೋಕ ஸ்லோகம்",
    "lullaby": "lullaby lullabies lori loriyan laali jogula thalattu tarattu लोरी लोरियां లాలి ಜೋಗುಳ தாலாட்டு താരാട്ട് ঘুমপাড়ানি",
    "moral": "moral morals neethi niti naitik नैतिक नीति నీతి ನೀತಿ நீதி",
    "funny": "funny comedy hasya mazedar majedar मज़ेदार मजेदार हास्य",
    "horror": "horror scary bhoot bhootiya ghost भूतिया डरावनी",
    "animals": "animal animals jungle janwar जानवर जानवरों",
    "science": "science vigyan विज्ञान",
    "history": "history historical itihas ऐतिहासिक",
    "mythology": "mythology mythological pauranik puranic पौराणिक పురాణ ಪೌರಾಣಿಕ புராண",
    "panchatantra": "panchatantra panchtantra पंचतंत्र పంచతంత్ర ಪಂಚತಂತ್ರ பஞ்சதந்திர",
}
"""Canonical category -> words that may say it. A catalogue's own categories are words as well."""

MOODS = {
    "nursery": "nursery balgeet baalgeet balageet बालगीत शिशुगीत",
    "energetic": "energetic upbeat dance dancing dancy fast exciting lively party peppy active "
    "josheela nachne नाचने जोशीला",
    "calm": "calm calming soothing relaxing relax peaceful quiet gentle soft slow shaant shant "
    "सुकून शांत ప్రశాంత ಶಾಂತ அமைதியான শান্ত",
    "sleepy": "sleepy sleep sleeping lullaby lullabies bedtime nap lori soja sulane neend "
    "सुलाने नींद लोरी నిద్ర ನಿದ್ದೆ தூங்க উറക്ക ঘুম झोप",
    "happy": "happy cheerful joyful fun khush khushi khushiyon खुश खुशी సంతోషం ಸಂತೋಷ மகிழ்ச்சி",
    "sad": "sad dukhi udaas दुखी उदास",
    "funny": "funny silly laugh hasane मज़ेदार हंसाने",
    "devotional": "devotional bhakti prayer bhajan aarti भक्ति भजन",
    "scary": "scary spooky horror darawni डरावनी",
}
"""Mood -> words that ask for it; titles show it by category, alternatives or title."""

MOOD_SIGNS = {
    "nursery": "nursery rhyme rhymes balgeet",
    "energetic": "dance party jump hop clap shake bus energetic fast action naach",
    "calm": "calm gentle quiet soothing lullaby peaceful night moon river relaxing",
    "sleepy": "lullaby bedtime sleep sleepy night goodnight dream moon lori laali jogula nindiya soja",
    "happy": "happy fun smile joy birthday sunshine clap khushi",
    "sad": "sad tears lonely",
    "funny": "funny silly comedy monkey laugh",
    "devotional": "devotional bhajan aarti chalisa prayer mantra sloka stotram krishna hanuman ganesha",
    "scary": "scary ghost monster horror spooky",
}
"""Words in a category, title or alternative that show a mood."""
