"""Neural families: waveforms in, calibrated scores out, trained with PyTorch and Lightning.

A *body* turns waveforms into embeddings, its front end (log-mel bands, ...) included; a *network*
puts heads on one. `classifier`, `files` and `settings` load neither PyTorch nor Lightning; fitting
does.
"""
