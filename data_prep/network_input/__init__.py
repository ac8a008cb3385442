"""From a volume to what a network is given: suitability, then the recipe. No Keras here."""
