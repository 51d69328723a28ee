"""From what an operator says in plain words to rules that decide, by a fixed procedure.

`document` reads the policy document, `compiler` turns an intent into a definition under it, `ir`
names definitions by their hashes, `strategies` says when a condition is met, `evaluating` asks all
bound conditions together. No model takes part in any of it.
"""
