"""Choices: what counts as the answer in prose, for labels of every kind and script. All answers are invented."""

import pytest

from grace.errors import StudyError
from grace.studies.reading import CLEAR, Answer, Missing, Value
from grace.studies.reading.choice import ChoiceReader
from grace.studies.reading.text import Text, plain, set_apart

LABELS: dict[str, dict[str, tuple[str, ...]]] = {
    "1-5": {str(n): () for n in range(1, 6)},
    "1-7": {str(n): () for n in range(1, 8)},
    "0-10": {str(n): () for n in range(11)},
    "signed": {str(n): () for n in range(-2, 3)},
    "plus": {"-1": (), "0": (), "+1": ()},
    "worded": {"1": ("no", "never"), "2": ("rarely",), "3": ("so-so",), "4": ("often",), "5": ("very much", "always")},
    "letters": dict.fromkeys("ABCDE", ()),
    "A-I": dict.fromkeys("ABCDEFGHI", ()),
    "yes/no": {"yes": ("y",), "no": ("n",)},
    "likely": {"very likely": (), "likely": (), "unlikely": (), "very unlikely": ()},
    "agree": {
        "strongly agree": (),
        "agree": (),
        "neither agree nor disagree": (),
        "disagree": (),
        "strongly disagree": (),
    },
    "X": {"X": (), "X not": ()},
    "sentences": {"She knows.": (), "She does not know.": ()},
    "often": {"never": (), "sometimes": (), "often": (), "always": ()},
    "tone": {"polite": (), "neutral": (), "rude": ()},
    "emoji": {"😀": (), "😐": (), "🙁": ()},
    "heart": {"❤️": (), "👍🏽": (), "👍": ()},
    "stars": {"★": (), "★★": (), "★★★": ()},
    "smileys": {":-)": (), ":-|": (), ":-(": ()},
    "signs": {"+": (), "-": (), "0": ()},
    "hindi": {"सहमत": (), "असहमत": (), "पूरी तरह सहमत": ()},
    "hindi know": {"हाँ": (), "नहीं": ()},
    "marathi": {"होय": (), "नाही": (), "कधी कधी": ()},
    "telugu": {"అవును": (), "కాదు": (), "బహుశా": ()},
    "bengali": {"হ্যাঁ": (), "না": (), "সম্ভবত": ()},
    "tamil": {"ஆம்": (), "இல்லை": ()},
    "thai": {"เห็นด้วย": (), "ไม่เห็นด้วย": (), "เห็นด้วยอย่างยิ่ง": ()},
    "arabic": {"نعم": (), "لا": (), "ربما": ()},
    "hebrew": {"כן": (), "לא": ()},
    "chinese": {"同意": (), "不同意": (), "非常同意": ()},
    "japanese": {"はい": (), "いいえ": (), "どちらでもない": ()},
    "korean": {"예": (), "아니요": ()},
    "russian": {"согласен": (), "не согласен": ()},
    "german": {"stimme zu": (), "stimme nicht zu": (), "teils, teils": ()},
    "french": {"d'accord": (), "pas d'accord": ()},
    "spanish": {"sí": (), "no": (), "quizás": ()},
    "japanese know": {"知っている": (), "知らない": ()},
    "chinese know": {"知道": (), "不知道": ()},
    "shi": {"是": (), "否": ("不是",)},
    "transport": {"treno": (), "aereo": (), "auto": ()},
    "french yes": {"oui": (), "non": ()},
    "verdict": {"zulässig": (), "unzulässig": ()},
    "names": {"Ann": (), "Anna": (), "Mary-Ann": ()},
}


def read(labels: str, text: str, cut: bool | None = None) -> Answer:
    reader = ChoiceReader("c", LABELS[labels], {}, (), "study.yaml")
    return reader.read(Text(plain(text), cut, set_apart(text)))["c"]


def value(answer: Answer) -> str | None:
    return str(answer.value) if isinstance(answer, Value) else None


READ = [
    # signs
    ("signed", "-2", "-2"),
    ("signed", "Rating: -2", "-2"),
    ("signed", "Rating: −2.", "-2"),
    ("signed", "–1", "-1"),
    ("signed", "**-1**", "-1"),
    ("signed", "I would rate it -1, as it is slightly odd.", "-1"),
    ("signed", "On the scale from -2 to 2, I would give it a +1.", "1"),
    ("signed", "My rating is 2.", "2"),
    ("signed", '{"rating": -2}', "-2"),
    ("signed", "$\\boxed{-2}$", "-2"),
    ("signed", "I would say minus two.", "-2"),
    ("plus", "+1", "+1"),
    ("plus", "My answer: 1", "+1"),
    ("signs", "-", "-"),
    ("signs", "+", "+"),
    # lists, steps and scales
    ("1-5", "1. Consider the first use.\n2. Consider the second.\nSo I would answer with a 4.", "4"),
    ("1-5", "1) The sentence is short.\n2) It is clear.\n\nRating: 5", "5"),
    ("1-5", "Step 1: read it. Step 2: compare. Final rating: 3.", "3"),
    ("1-5", "1 = never, 5 = always. I choose 4.", "4"),
    ("1-5", "On a scale of 1 to 5, I would rate it 4.", "4"),
    ("1-5", "On a scale where 1 means never and 5 means always, my answer is 2.", "2"),
    ("1-5", "1 (never) to 5 (always): I'd go with 3.", "3"),
    ("1-5", "First, there are 2 people. Second, 3 of them laugh. My rating is 5.", "5"),
    ("letters", "A) Yes\nB) No\nC) Maybe\n\nAnswer: C", "C"),
    ("letters", "A. It is cold.\nB. It is warm.\n\nB is the correct answer.", "B"),
    ("letters", "Option A says that it rains. Option B says that it snows. I choose option B.", "B"),
    # letters that are words
    ("letters", "A closer look shows that she was joking, so the answer is C.", "C"),
    ("letters", "A friend of hers would know, hence B.", "B"),
    ("letters", "A", "A"),
    ("letters", "(a)", "A"),
    ("letters", "**B**", "B"),
    ("letters", "The answer is (D).", "D"),
    ("letters", "D) because she laughs", "D"),
    ("letters", "C. She was joking.", "C"),
    ("letters", "I'd pick A.", "A"),
    ("letters", "I would choose option D.", "D"),
    ("letters", "Answer: E", "E"),
    ("letters", "\\[\n\\boxed{\\text{C}}\n\\]", "C"),
    # changes of mind
    ("1-5", "Answer: 2\nThat is my first thought.\nOn reflection, that is too low.\nAnswer: 4", "4"),
    ("letters", "I choose B. Wait, that is wrong: she laughs. I choose C.", "C"),
    ("worded", "3 - So-so   Do you agree with the next one? 1 - No", "3"),
    ("1-5", "2\nQuestion: Is it good?\nAnswer: 5", "2"),
    ("1-5", "Answer: 4\n\nUser: And the next one?\nAssistant: 1", "4"),
    # plain forms
    ("worded", "3 = so-so", "3"),
    ("1-5", "3 = so-so", "3"),
    ("1-5", "3. So-so.", "3"),
    ("worded", "5 (very much)", "5"),
    ("worded", "Very much (5)", "5"),
    ("worded", "I'd say so-so.", "3"),
    ("1-7", "I'd rate it a 6 out of 7", "6"),
    ("1-7", "6/7", "6"),
    ("1-5", "A 5", "5"),
    ("1-5", "4/5", "4"),
    ("1-5", "4 out of 5", "4"),
    ("1-5", "4 stars", "4"),
    ("1-5", "4.0", "4"),
    ("1-5", "I would give it a 4.", "4"),
    ("1-5", "I'd give this sentence a solid 4 because it flows well.", "4"),
    ("1-5", "4 – it flows well.", "4"),
    ("1-5", "4, since it flows well.", "4"),
    ("1-5", "My answer would be: four.", "4"),
    ("1-5", "The naturalness of this sentence deserves a 5.", "5"),
    ("1-5", "4 seems appropriate.", "4"),
    ("1-5", "⭐ Rating: **4**", "4"),
    ("1-5", "| Rating | Reason |\n|---|---|\n| 4 | It flows. |", "4"),
    ("1-5", '```json\n{"answer": "4", "reason": "it flows"}\n```', "4"),
    ("1-5", "It flows well, although the 2nd word is odd.\n\n4", "4"),
    ("1-5", "４", "4"),
    ("1-5", "४", "4"),
    ("1-5", "٤", "4"),
    ("1-5", "4️⃣", "4"),
    ("1-5", "④", "4"),
    ("1-5", "If I had to choose, I'd say 3.", "3"),
    ("yes/no", "No, no, she did not.", "no"),
    ("yes/no", "**No.** She only saw one.", "no"),
    ("yes/no", "Well, yes.", "yes"),
    ("yes/no", "Answer: Yes", "yes"),
    ("1-5", "As an AI I have no taste, but I would rate it a 4.", "4"),
    ("1-5", "I'm sorry, I cannot feel hunger. If forced to answer, I would choose 2.", "2"),
    # words and their borders
    ("likely", "Unlikely.", "unlikely"),
    ("likely", "Very unlikely, I think.", "very unlikely"),
    ("likely", "I would say it is very likely.", "very likely"),
    ("agree", "I strongly disagree with this.", "strongly disagree"),
    ("agree", "Neither agree nor disagree", "neither agree nor disagree"),
    ("agree", "My answer is: agree.", "agree"),
    ("X", "X not", "X not"),
    ("X", "X not, since it rains.", "X not"),
    ("X", "X, since it rains.", "X"),
    ("sentences", "She does not know.", "She does not know."),
    ("sentences", '"She knows"', "She knows."),
    ("names", "It is Anna.", "Anna"),
    ("names", "Mary-Ann", "Mary-Ann"),
    ("names", "It is Ann's.", "Ann"),
    # symbols
    ("emoji", "😀", "😀"),
    ("emoji", "My answer: 😐", "😐"),
    ("emoji", "I choose 🙁.", "🙁"),
    ("heart", "❤", "❤️"),
    ("heart", "👍", "👍"),
    ("stars", "★★", "★★"),
    ("stars", "Rating: ★★★", "★★★"),
    ("smileys", ":-(", ":-("),
    # scripts
    ("hindi", "मेरा उत्तर: असहमत", "असहमत"),
    ("hindi", "सहमत, क्योंकि यह सच है।", "सहमत"),
    ("hindi", "**पूरी तरह सहमत**", "पूरी तरह सहमत"),
    ("1-5", "मेरा उत्तर 4 है।", "4"),
    ("telugu", "సమాధానం: కాదు", "కాదు"),
    ("1-5", "నా సమాధానం 3.", "3"),
    ("bengali", "উত্তর: না।", "না"),
    ("thai", "คำตอบ: ไม่เห็นด้วย", "ไม่เห็นด้วย"),
    ("thai", "ฉันเลือก เห็นด้วย", "เห็นด้วย"),
    ("arabic", "لا، لأنه لم ير شيئا.", "لا"),
    ("arabic", "الإجابة: ربما", "ربما"),
    ("1-5", "أختار 4.", "4"),
    ("chinese", "我的答案是：不同意。", "不同意"),
    ("chinese", "同意，因为她看见了。", "同意"),
    ("1-5", "我会选择4，因为很自然。", "4"),
    ("japanese", "いいえ、知りません。", "いいえ"),
    ("1-5", "答えは3です。", "3"),
    ("korean", "아니요, 모릅니다.", "아니요"),
    ("1-5", "정답은 2입니다.", "2"),
    ("russian", "Не согласен.", "не согласен"),
    ("1-5", "Мой ответ: 4", "4"),
    ("1-5", "Я бы поставил 4.", "4"),
    ("german", "Stimme nicht zu", "stimme nicht zu"),
    ("german", "Antwort: teils, teils", "teils, teils"),
    ("1-5", "Ich würde eine 4 vergeben.", "4"),
    ("french", "Pas d’accord.", "pas d'accord"),
    ("1-5", "Je donnerais un 4.", "4"),
    ("1-5", "Le daría un 4.", "4"),
    ("spanish", "Sí, porque lo vio.", "sí"),
    ("1-5", "Darei um 4, pois soa natural.", "4"),
    ("shi", "是的。", "是"),
    ("shi", "是啊，她看到了。", "是"),
    ("shi", "不是的。", "否"),
    ("japanese", "はいですね。", "はい"),
    ("thai", "เห็นด้วยค่ะ", "เห็นด้วย"),
    ("transport", "La scelta migliore è l'auto.", "auto"),
    ("transport", "Prenderei il treno: l'aereo costa troppo.", "treno"),
    ("french yes", "On pourrait croire que oui, mais en réalité non.", "non"),
    ("letters", "A is tempting at first glance. A more careful reading, however, favours B.", "B"),
    ("verdict", "Nach Abwägung aller Umstände halte ich die Handlung für zulässig.", "zulässig"),
]


@pytest.mark.parametrize(("labels", "text", "label"), READ)
def test_plain_forms_are_read(labels: str, text: str, label: str) -> None:
    answer = read(labels, text)
    assert value(answer) == label
    assert isinstance(answer, Value)
    assert answer.confidence >= CLEAR


EMPTY = [
    ("1-5", "4-5"),
    ("1-5", "3 to 4"),
    ("1-5", "3–4"),
    ("1-5", "Between 3 and 4."),
    ("1-5", "3 or 4"),
    ("1-5", "Rating: 3/4"),
    ("1-5", "I would say a 3, maybe a 4."),
    ("1-5", "3.8"),
    ("1-5", "Rating: 3.8"),
    ("1-5", "3,8"),
    ("1-5", "8 out of 10"),
    ("1-5", "Rating: 8/10"),
    ("1-5", "7"),
    ("1-5", "Answer: 0"),
    ("1-5", "-2"),
    ("1-5", "4%"),
    ("1-5", "$4"),
    ("1-5", "4, 5, 2"),
    ("1-5", "4\n5\n2"),
    ("1-5", "1: 4\n2: 5\n3: 2"),
    ("1-5", "2 people are in the story."),
    ("1-5", "I think 2 people are in the story."),
    ("1-5", "The 2nd reading is better."),
    ("1-5", "At least 3."),
    ("1-5", "It cannot be a 5."),
    ("1-5", "I would not give it a 5."),
    ("1-5", "1 means never and 5 means always."),
    ("1-5", "1 = never\n2 = rarely\n3 = sometimes\n4 = often\n5 = always"),
    ("1-5", "Please choose a number from 1 to 5."),
    ("1-5", "In 2020, 3 of the 4 editors left."),
    ("1-5", "GPT-4 wrote this."),
    ("1-5", "I cannot rate this."),
    ("A-I", "I don't know."),
    ("A-I", "I, for one, cannot decide."),
    ("letters", "A good question."),
    ("letters", "A or B"),
    ("letters", "A-E"),
    ("letters", "Vitamin C is healthy."),
    ("letters", "It is not B."),
    ("yes/no", "No idea."),
    ("yes/no", "No, I cannot answer that question."),
    ("yes/no", "Yes or no?"),
    ("yes/no", "Yes and no."),
    ("yes/no", "There is no evidence for that."),
    ("yes/no", "No one was there."),
    ("tone", "Somebody might call it rude."),
    ("tone", "It is hard to say whether it is polite."),
    ("tone", "polite/rude"),
    ("often", "It has often been said that nobody knows."),
    ("chinese", "我不知道。"),
    ("hindi know", "यह कहना संभव नहीं है।"),
    ("arabic", "لا يمكن الجزم بذلك."),
    ("spanish", "No puedo responder a esa pregunta."),
    ("korean", "예를 들어 보겠습니다."),
    ("names", "Annabel"),
    ("names", "Joanna"),
    ("likely", "It is likeliest to rain."),
    ("letters", "Nothing points to B."),
    ("chinese know", "他不可能知道。"),
    ("chinese know", "他未必知道。"),
    ("japanese know", "彼女は知っているとは限らない。"),
    ("verdict", "Das halte ich nicht für zulässig."),
    ("transport", "Non l'auto ma il treno."),
]


@pytest.mark.parametrize(("labels", "text"), EMPTY)
def test_what_is_no_answer_has_a_reason(labels: str, text: str) -> None:
    answer = read(labels, text)
    assert isinstance(answer, Missing), answer
    assert answer.why


@pytest.mark.parametrize(
    ("labels", "text", "never"),
    [
        ("1-5", "Answer: 2\nHm. Answer: 4", "2"),
        ("1-5", "2. Wait, that is too low.", "2"),
        ("letters", "B, no, C.", "B"),
        ("yes/no", "No. Wait. Actually she saw all of them, so yes.", "no"),
        ("worded", "3 (very much)", "3"),
        ("agree", "Agree. Scratch that: disagree.", "agree"),
    ],
)
def test_a_value_that_the_text_takes_back_is_never_sure(labels: str, text: str, never: str) -> None:
    answer = read(labels, text)
    assert value(answer) != never or (isinstance(answer, Value) and answer.confidence < CLEAR)


@pytest.mark.parametrize("labels", LABELS)
def test_an_answer_that_is_an_option_is_read(labels: str) -> None:
    for label in LABELS[labels]:
        for text in (label, f" {label}\n", f"**{label}**", f"{label}.", f'"{label}"', f"Answer: {label}"):
            assert value(read(labels, text)) == label, text


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("1. Consider the first use. It is", None),
        ("1", None),
        ("7", "7"),
        ("I would rate it a 1", None),
        ("Rating: 7.\nThe", "7"),
    ],
)
def test_answers_that_are_cut(text: str, label: str | None) -> None:
    assert value(read("0-10", text, cut=True)) == label


@pytest.mark.parametrize(
    ("text", "label"), [("她知道。", "知道"), ("她并不知道。", "不知道"), ("他肯定不知道剩下的。", "不知道")]
)
def test_a_label_in_a_sentence_without_spaces_is_in_doubt(text: str, label: str) -> None:
    """A label that has another one in it, behind a word that denies, stays safe."""
    answer = read("chinese know", text)
    assert isinstance(answer, Value)
    assert (answer.value, answer.why) == (label, "is only hinted at")


def test_a_word_of_two_labels_is_refused() -> None:
    with pytest.raises(StudyError, match="'Yes' is a word for 'yes' and for 'y'"):
        ChoiceReader("c", {"yes": (), "y": ("Yes",)}, {}, (), "study.yaml")
