"""A study of things, trials of it, and a model that can say its answers."""

from table_model import printable_model

SENTENCES = ("It", " is", " isn", " was", " wasn", "'t", " terrible", " bad", " good", " amazing")
WORDS = ("10", "yes", "no", "zero", "none", "one", "two", "three")
MODEL = printable_model("é", "’", *SENTENCES, *WORDS, seed=5, spread=2.0)

STUDY = """\
name: things
title: Things
columns:
  who: {about: the person}
  thing: {about: what is judged}
  colour: {about: what it may look like}
  key: {about: what is right, required: false, hidden: true}
questions:
  right:
    prompt: |
      Is {{ thing }} {{ colour }}? Answer yes or no.
    answers:
      labels: {yes: yes, no: no}
      variants: [case]
  size:
    system: You are brief.
    prompt: How big is {{ thing }}?
    answers:
      labels: {1: "1", 5: "5", 10: "10"}
      numeric: true
  say:
    prompt: What is {{ thing }} like?
    answers:
      factors:
        frame: {is: is, isnt: isn't}
        word: {good: good, bad: bad}
      forms: It {frame} {word}
"""
TRIALS = """\
who,thing,colour,key,a note
1,the sky,blue,yes,plain
2,the sky,blue,yes,"a ""quoted"", cell"
3,a plum,red,no,
4,the sky,grey,,"two
lines"
5,a plum,red,NA,café\t 日
6,the sky,blue,yes,007
"""
