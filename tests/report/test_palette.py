from gammapo.report.palette import SLOTS, loss_styles, model_styles


def test_losses_of_a_page_never_share_colour_and_dash():
    names = [f"loss{i}" for i in range(20)]
    styles = loss_styles(names)
    assert len({(styles[name].colour, styles[name].dash) for name in names}) == 20
    assert len({styles[name].colour for name in names[:7]}) == len(SLOTS)


def test_the_first_named_losses_get_hues_of_their_own():
    names = [*(f"loss{i}" for i in range(20)), "simpo"]
    styles = loss_styles(["simpo", *names])
    assert not any(styles[name].dash for name in ["simpo", *names[:6]])
    assert styles["loss6"].dash


def test_a_registered_loss_keeps_its_colour_beside_an_unknown_one():
    assert loss_styles(["simpo"])["simpo"] == loss_styles(["simpo", "my.module:loss"])["simpo"]


def test_clean_twin_of_a_noisy_model_is_dashed():
    rows = [
        {"model": "base", "loss": None, "noise_rate": None},
        {"model": "clean", "loss": "simpo", "noise_rate": 0.0},
        {"model": "noisy", "loss": "simpo", "noise_rate": 0.4},
        {"model": "other", "loss": "dpo", "noise_rate": 0.0},
    ]
    styles = model_styles(rows)
    assert styles["clean"].colour == styles["noisy"].colour != styles["base"].colour
    assert styles["clean"].dash
    assert not styles["noisy"].dash
    assert not styles["other"].dash
