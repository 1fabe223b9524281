"""Numbers from sound: spectral, harmonic and voice features, and the named sets made of them."""
