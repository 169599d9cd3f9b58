"""Train a style network from nothing but this repository and the photographs in scikit-image's wheel.

    python -m tools.train_style                     the network that ships, about half an hour on one core
    python -m tools.train_style --style a.jpg --name my-style --out my-style/1

`painting` paints the style picture, `photographs` yields what is to be restyled, `losses` says what is good, `training`
does the work, `__main__` writes the package.
"""
