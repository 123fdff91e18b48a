"""Grade lab 14: pytest in this folder."""

from grading import expect


def test_exercise_1_three_in_a_day_and_three_in_ten(work):
    hints = {
        "the drift was taken for each text, and it is for each day": [1, 1.75, 2.5],
        "nothing was forgotten": [1, 2, 3],
        "time was counted from the first text, again and again": [1, 23 / 12, 2.75],
        "the text was added before time had taken its share": [1, 23 / 12, 17 / 6],
    }
    expect(work.levels([0, 1 / 3, 2 / 3], [1, 1, 1], 0.25), [1, 23 / 12, 17 / 6], hints, "three texts in 16 hours")
    hints = {
        "the sum must not fall below zero": [1, -0.25, -1.5],
        "the drift was taken for each text, and it is for each day": [1, 1.75, 2.5],
        "the text was added before time had taken its share": [1, 0, 0],
        "nothing was forgotten": [1, 2, 3],
    }
    expect(work.levels([0, 9, 18], [1, 1, 1], 0.25), [1, 1, 1], hints, "three texts nine days apart")


def test_exercise_1_a_long_silence(work):
    days, weights, drift = [3, 3.5, 24, 24.5], [0.9, 0.4, 0.8, 0.1], 0.5
    low = [0.9, 1.05, -8.4, -8.55]
    hints = {
        "the sum must not fall below zero": low,
        "the text was added before time had taken its share": [0.9, 1.05, 0, 0],
        "the drift was taken for each text, and it is for each day": [0.9, 0.8, 1.1, 0.7],
        "nothing was forgotten": [0.9, 1.3, 2.1, 2.2],
        "time was counted from the first text, again and again": [0.9, 1.05, 0.8, 0.1],
    }
    found = work.levels(days, weights, drift)
    expect(found, [0.9, 1.05, 0.8, 0.65], hints, "four texts with a silence of three weeks")


def test_exercise_2_the_others_so_far(work):
    Text = work.Text
    texts = [
        Text(1, "Corvane", "fraud", 0.9),
        Text(1, "Lumen", "fraud", 0.8),
        Text(1, "Lumen", "fraud", 0.7),
        Text(1, "Ostrava", "recall", 0.6),
        Text(1, "Ostrava", "fraud", 0.2),
        Text(1, "Corvane", "fraud", 0.6),
        Text(1, "Tindall", "fraud", 1.0),
        Text(2, "Tindall", "fraud", 1.0),
    ]
    fifths = {
        "the texts of later that day were looked at": [2, 2, 2, 0, 3, 2, 2, 0],
        "other topics were counted as well": [0, 1, 1, 2, 2, 2, 3, 0],
        "other days were counted as well": [0, 1, 1, 0, 2, 1, 2, 2],
        "texts were counted, not companies": [0, 1, 1, 0, 3, 2, 4, 0],
        "the company was counted among the others": [0, 1, 2, 0, 2, 2, 2, 0],
        "good news was counted as well": [0, 1, 1, 0, 2, 2, 3, 0],
    }

    def lessened(others):
        return [text.weight * (1 - n / 5) for text, n in zip(texts, others, strict=True)]

    hints = {name: lessened(others) for name, others in fifths.items()}
    hints["the company itself is not one of the others"] = [
        text.weight * (1 - n / 6) for text, n in zip(texts, [0, 1, 1, 0, 2, 1, 2, 0], strict=True)
    ]
    expect(work.softened(texts, 6), lessened([0, 1, 1, 0, 2, 1, 2, 0]), hints, "eight texts about six companies")


def test_exercise_2_what_is_bad(work):
    news = [("Corvane", 0.9), ("Lumen", 0.5), ("Ostrava", 0.55), ("Corvane", 0.1), ("Tindall", 0.8)]
    texts = [work.Text(1, company, "fraud", weight) for company, weight in news]

    def lessened(others):
        return [text.weight * (1 - n / 3) for text, n in zip(texts, others, strict=True)]

    hints = {
        "one half is not above one half": lessened([0, 1, 2, 2, 3]),
        "a company that had bad news and then good has had bad news": lessened([0, 1, 1, 1, 1]),
    }
    expect(
        work.softened(texts, 4), lessened([0, 1, 1, 1, 2]), hints, "five texts, one of them with a weight of one half,"
    )
