"""From an utterance to the cards it may mean, whatever script it is typed in."""
