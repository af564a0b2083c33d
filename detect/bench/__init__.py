"""Numbers about any detector: predictions first, metrics always recomputed from them.

    data/        manifests and folder layouts -> `Item`s; leak checks
    perturb/     named, versioned, seeded changes of a file
    detectors/   ours, anyone's function, command, server or predictions file, published peers
    run.py       items x perturbations x detectors -> predictions (Parquet), resumable
    metrics/     pure functions of labels and scores
    summary.py   predictions -> metrics (JSON)
    tables/      metrics -> Markdown, HTML, LaTeX

Scores point one way everywhere: larger = more synthetic.
"""
