"""The exercise about the weight that hides in a mean over pixels."""

from lib.exercises import Exercise, Misconception

LOSS_LINES = "The loss, line by line"


def hidden_weight(num_values: int, pixel_std: float) -> float:
    """kl_weight of "mean squared error plus KL", read as a loss in nats with spread s."""
    return num_values / (2 * pixel_std**2)


HIDDEN_WEIGHT = Exercise(
    name="vae.hidden_weight",
    prompt="The kl_weight that 'mean over the values of a picture of the squared error, plus KL' has in truth.",
    reference=hidden_weight,
    cases=lambda generator: [(12, 0.5), (784, 0.3), (3072, 0.2)],
    misconceptions=(
        Misconception(
            "forgot the 2",
            lambda num_values, pixel_std: num_values / pixel_std**2,
            "The error of the honest loss is divided by twice the variance.",
            LOSS_LINES,
        ),
        Misconception(
            "did not square the spread",
            lambda num_values, pixel_std: num_values / (2 * pixel_std),
            "The honest loss contains the variance of the decoder, the square of its spread.",
            LOSS_LINES,
        ),
        Misconception(
            "counted the values alone",
            lambda num_values, pixel_std: float(num_values),
            "The mean divides the error by the number of values; the honest loss divides it by 2 s squared, which "
            "counts as well.",
            LOSS_LINES,
        ),
        Misconception(
            "took the weight of the sum of squares",
            lambda num_values, pixel_std: 2 * pixel_std**2,
            "That is the weight that makes 'sum of squares plus weight times KL' honest. Here the weight is 1 and the "
            "error is a mean: multiply the whole loss until its error term is the honest one, and read off what now "
            "stands before the KL.",
            LOSS_LINES,
        ),
        Misconception(
            "turned the ratio over",
            lambda num_values, pixel_std: 2 * pixel_std**2 / num_values,
            "That is the weight that would repair the loss. The question is what it is without repair.",
            LOSS_LINES,
        ),
        Misconception(
            "turned the count over",
            lambda num_values, pixel_std: 1 / num_values,
            "The mean makes the error 1/N of the sum, so next to it the KL counts more, not less: N times. And the "
            "honest loss divides the error by 2 s squared, which counts as well.",
            LOSS_LINES,
        ),
        Misconception(
            "multiplied by the variance",
            lambda num_values, pixel_std: num_values * 2 * pixel_std**2,
            "The sum in 'sum / N' is to become 'sum / (2 s squared)': multiply by N, then divide by 2 s squared. A "
            "decoder that is sure of its pixels (small s) makes the error dear, so a KL that is still at weight 1 is "
            "then charged too much.",
            LOSS_LINES,
        ),
        Misconception(
            "left the spread out",
            lambda num_values, pixel_std: num_values / 2,
            "The 2 alone is right for a spread of 1. Here the error of the honest loss is divided by 2 s squared.",
            LOSS_LINES,
        ),
        Misconception(
            "left the number of values out",
            lambda num_values, pixel_std: 1 / (2 * pixel_std**2),
            "That is the weight in 'sum of squares plus KL'. A mean over the values makes the error smaller once more, "
            "by their number.",
            LOSS_LINES,
        ),
    ),
    hints=(
        "Multiplying a whole loss by a number does not change its minimum. By which number must you multiply?",
        "The error term is sum / num_values and should be sum / (2 * pixel_std**2).",
        "The factor that turns one into the other multiplies the KL as well, and is its weight.",
    ),
    explains="For the pictures of this chapter the KL counts tens of thousands of times too much.",
)
