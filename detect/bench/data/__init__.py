"""Where labelled files come from: manifests, folder layouts, Croissant; and the checks before trusting them."""
