"""From an utterance to the cards it may mean, whatever script it is typed in. Small on purpose: replaceable without touching a handler."""
