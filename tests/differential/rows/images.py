"""Images in other sizes."""

from tests.differential.harness import row

METHODS = ("linear", "cubic", "lanczos3", "lanczos5")

ROWS = [
    *(row(f"image.resize(x, (7, 4), '{m}')", x="f32[4,3]", rtol=1e-4) for m in METHODS),
    *(row(f"image.resize(x, (2, 9), '{m}')", x="f32[5,4]", rtol=1e-4) for m in METHODS),
    *(
        row(f"image.resize(x, (3, 3), '{m}', antialias=False)", x="f32[7,6]", rtol=1e-4)
        for m in METHODS
    ),
    row("image.resize(x, (7, 2), 'nearest')", x="f32[4,5]"),
    row("image.resize(x, (2, 7, 6, 3), 'nearest')", x="f32[2,3,4,3]"),
    row("image.resize(x, (2, 4, 6, 3), 'bilinear')", x="f32[2,8,3,3]"),
    row("image.resize(x, (2, 3), image.ResizeMethod.CUBIC)", x="f32[2,3]"),
    row("image.resize(x, (4, 4), 'linear')", x="i32[2,3]"),
    row("image.resize(x, (4, 5), 'nearest')", x="i32[2,3]"),
    row("image.resize(x, (5,), 'trilinear')", x="c64[3]"),
    row("image.resize(x, (6, 2), 'bicubic')", x="bf16[3,4]", off="second vmapgrad"),
    row("image.resize(x, (6, 2), 'bicubic')", x="f16[3,4]", off="second vmapgrad"),
    *(
        row(
            f"image.scale_and_translate(x, (5, 6), (0, 1), s, t, '{m}')",
            x="f32[4,5]",
            s="f32[2] 0.7..1.6",
            t="f32[2]",
            off="second",
            rtol=5e-4,
        )
        for m in METHODS
    ),
    row(
        "image.scale_and_translate(x, (5, 3, 2), (0,), s, t, 'linear', antialias=False)",
        x="f32[4,3,2]",
        s="f32[1] 1.1..1.5",
        t="f32[1]",
        rtol=1e-4,
    ),
]
