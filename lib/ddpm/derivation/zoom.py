"""The 100 steps gathered into 40 and into 10."""

from lib.derivation import Group

_JUMP = r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\;\epsilon"
_STEP = r"x_t=\sqrt{\alpha_t}\,x_{t-1}+\sqrt{1-\alpha_t}\;\epsilon_t"
_BAYES = r"q(x_{t-1}\mid x_t,x_0)=\frac{q(x_t\mid x_{t-1})\,q(x_{t-1}\mid x_0)}{q(x_t\mid x_0)}"
_SQUARE = r"q(x_{t-1}\mid x_t,x_0)=\mathcal N\Big(x_{t-1};\,\frac BA,\,\frac1A\Big)"
_VARIANCE = r"\tilde\beta_t=\frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t"
_MEAN = (
    r"\tilde\mu_t=\frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t"
    r"+\frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}\,x_0"
)
_MEAN_OF_NOISE = r"\tilde\mu_t=\frac{1}{\sqrt{\alpha_t}}\Big(x_t-\frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\;\epsilon\Big)"
_BOUND = r"L_{\mathrm{VLB}}=L_T+\sum_{t=2}^TL_{t-1}+L_0"
_KL = r"D_{\mathrm{KL}}=\log\frac{\sigma_2}{\sigma_1}+\frac{\sigma_1^2+(\mu_1-\mu_2)^2}{2\sigma_2^2}-\frac12"
_SIMPLE = r"L_{\mathrm{simple}}=\mathbb E_{t,x_0,\epsilon}\lVert\epsilon-\epsilon_\theta(x_t,t)\rVert^2"
_SAMPLE = (
    r"x_{t-1}=\frac{1}{\sqrt{\alpha_t}}\Big(x_t-\frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\;\epsilon_\theta(x_t,t)\Big)"
    r"+\sigma_tz"
)
_RATIO = r"\log\frac{q(x_{t-1}\mid x_t,x_0)}{p_\theta(x_{t-1}\mid x_t)}"
_FORWARD_RATIO = r"\log\frac{q(x_t\mid x_{t-1})}{p_\theta(x_{t-1}\mid x_t)}"
_FIRST_RATIO = r"\log\frac{q(x_1\mid x_0)}{p_\theta(x_0\mid x_1)}"

COARSE = (
    Group("One noising step", "D001", "D007", r"q(x_t\mid x_{t-1})\;\longrightarrow\;" + _STEP),
    Group("From the picture to any noise level", "D008", "D023", r"t\ \text{steps}\;\longrightarrow\;" + _JUMP),
    Group("Backwards by Bayes, with the picture in hand", "D024", "D033", _BAYES),
    Group("Complete the square", "D034", "D042", r"\text{three exponents}\;\longrightarrow\;" + _SQUARE),
    Group("The posterior's variance and mean", "D043", "D051", _VARIANCE + r",\quad" + _MEAN),
    Group("The mean in terms of the noise", "D052", "D061", _MEAN_OF_NOISE),
    Group("A bound in nine lines", "D062", "D084", r"-\log p_\theta(x_0)\;\longrightarrow\;" + _BOUND),
    Group("The divergence of two Gaussians", "D085", "D090", _KL),
    Group("From the bound to the simple loss", "D091", "D097", r"L_{t-1}\;\longrightarrow\;" + _SIMPLE),
    Group("The sampler", "D098", "D100", _SAMPLE),
)

MEDIUM = (
    Group(
        "Each pixel is shrunk and noised for itself",
        "D001",
        "D003",
        r"q(x_t\mid x_{t-1})=\mathcal N\big(x_t;\sqrt{1-\beta_t}\,x_{t-1},\,\beta_tI\big)",
    ),
    Group("A path is a product of steps", "D004", "D004"),
    Group("The step as a recipe", "D005", "D006", _STEP + r",\quad\alpha_t=1-\beta_t"),
    Group("The shrink pays for the noise", "D007", "D007"),
    Group(
        "One step further back",
        "D008",
        "D010",
        r"x_t=\sqrt{\alpha_t\alpha_{t-1}}\,x_{t-2}+\sqrt{\alpha_t(1-\alpha_{t-1})}\,\epsilon_{t-1}"
        r"+\sqrt{1-\alpha_t}\,\epsilon_t",
    ),
    Group(
        "Two independent noises make one",
        "D011",
        "D013",
        r"\alpha_t(1-\alpha_{t-1})+(1-\alpha_t)=1-\alpha_t\alpha_{t-1}",
    ),
    Group(
        "Two steps are one longer step",
        "D014",
        "D014",
        r"x_t=\sqrt{\alpha_t\alpha_{t-1}}\,x_{t-2}+\sqrt{1-\alpha_t\alpha_{t-1}}\;\bar\epsilon",
    ),
    Group(
        "A name for the product, and a claim",
        "D015",
        "D017",
        r"\bar\alpha_t=\prod_{s=1}^t\alpha_s,\quad "
        r"x_{t-1}=\sqrt{\bar\alpha_{t-1}}\,x_0+\sqrt{1-\bar\alpha_{t-1}}\;\bar\epsilon_{t-1}",
    ),
    Group("The claim climbs from step to step", "D018", "D020", _JUMP),
    Group(
        "Read forwards, to the end, and backwards",
        "D021",
        "D023",
        r"q(x_t\mid x_0)=\mathcal N\big(x_t;\sqrt{\bar\alpha_t}\,x_0,\,(1-\bar\alpha_t)I\big),\quad "
        r"x_0=\frac{x_t-\sqrt{1-\bar\alpha_t}\;\epsilon}{\sqrt{\bar\alpha_t}}",
    ),
    Group(
        "One step back needs all pictures of the world",
        "D024",
        "D026",
        r"q(x_{t-1}\mid x_t)=\frac{q(x_t\mid x_{t-1})\,q(x_{t-1})}{q(x_t)},\quad q(x_t)\ \text{unknown}",
    ),
    Group("With the picture given, every factor is known", "D027", "D031", _BAYES),
    Group(
        "Put the three Gaussians in",
        "D032",
        "D033",
        r"\exp\Big(-\frac12\Big[\frac{(x_t-\sqrt{\alpha_t}\,x_{t-1})^2}{\beta_t}"
        r"+\frac{(x_{t-1}-\sqrt{\bar\alpha_{t-1}}\,x_0)^2}{1-\bar\alpha_{t-1}}"
        r"-\frac{(x_t-\sqrt{\bar\alpha_t}\,x_0)^2}{1-\bar\alpha_t}\Big]\Big)\times\text{const}",
    ),
    Group(
        "Open the squares",
        "D034",
        "D035",
        r"\frac{x_t^2-2\sqrt{\alpha_t}\,x_tx_{t-1}+\alpha_tx_{t-1}^2}{\beta_t}"
        r"+\frac{x_{t-1}^2-2\sqrt{\bar\alpha_{t-1}}\,x_0x_{t-1}+\bar\alpha_{t-1}x_0^2}{1-\bar\alpha_{t-1}}-\dots",
    ),
    Group(
        "Sort by powers of the unknown",
        "D036",
        "D038",
        r"A\,x_{t-1}^2-2B\,x_{t-1}+C,\quad A=\frac{\alpha_t}{\beta_t}+\frac{1}{1-\bar\alpha_{t-1}},\quad "
        r"B=\frac{\sqrt{\alpha_t}}{\beta_t}\,x_t+\frac{\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_{t-1}}\,x_0",
    ),
    Group(
        "Complete the square; nothing is left over",
        "D039",
        "D041",
        r"A\,{\Big(x_{t-1}-\frac BA\Big)}^2,\quad C-\frac{B^2}{A}=0",
    ),
    Group("Read mean and variance off", "D042", "D042", _SQUARE),
    Group("Simplify the variance", "D043", "D046", _VARIANCE + r"<\beta_t,\quad\tilde\beta_1=0"),
    Group("Simplify the mean", "D047", "D050", _MEAN),
    Group("There and back again", "D051", "D051", r"\mathbb E[\tilde\mu_t\mid x_0]=\sqrt{\bar\alpha_{t-1}}\,x_0"),
    Group(
        "Ask for the noise instead of the picture",
        "D052",
        "D054",
        r"\tilde\mu_t=\frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t"
        r"+\frac{\beta_t}{(1-\bar\alpha_t)\sqrt{\alpha_t}}\big(x_t-\sqrt{1-\bar\alpha_t}\;\epsilon\big)",
    ),
    Group(
        "Two terms with the present picture become one",
        "D055",
        "D058",
        r"\frac{\alpha_t(1-\bar\alpha_{t-1})+\beta_t}{(1-\bar\alpha_t)\sqrt{\alpha_t}}\,x_t=\frac{1}{\sqrt{\alpha_t}}\,x_t",
    ),
    Group("Tidy the noise", "D059", "D060", _MEAN_OF_NOISE),
    Group("Which noise is it?", "D061", "D061"),
    Group(
        "A bound on the negative log-likelihood",
        "D062",
        "D067",
        r"-\log p_\theta(x_0)\le\mathbb E_{q(x_{1:T}\mid x_0)}"
        r"\Big[\log\frac{q(x_{1:T}\mid x_0)}{p_\theta(x_{0:T})}\Big]",
    ),
    Group(
        "Lines 1 and 2: average, and factorise",
        "D068",
        "D069",
        r"L_{\mathrm{VLB}}=\mathbb E_q\Big[\log\frac{\prod_tq(x_t\mid x_{t-1})}"
        r"{p_\theta(x_T)\prod_tp_\theta(x_{t-1}\mid x_t)}\Big]",
    ),
    Group(
        "Line 3: products become sums",
        "D070",
        "D071",
        r"-\log p_\theta(x_T)+\sum_{t=1}^T" + _FORWARD_RATIO,
    ),
    Group(
        "Line 4: the first step stands apart",
        "D072",
        "D072",
        r"-\log p_\theta(x_T)+\sum_{t=2}^T" + _FORWARD_RATIO + "+" + _FIRST_RATIO,
    ),
    Group(
        "Line 5: turn each step round",
        "D073",
        "D075",
        r"\sum_{t=2}^T\log\Big[\frac{q(x_{t-1}\mid x_t,x_0)}{p_\theta(x_{t-1}\mid x_t)}\cdot"
        r"\frac{q(x_t\mid x_0)}{q(x_{t-1}\mid x_0)}\Big]",
    ),
    Group(
        "Lines 6 and 7: split, and let the telescope close",
        "D076",
        "D078",
        r"\sum_{t=2}^T" + _RATIO + r"+\log\frac{q(x_T\mid x_0)}{q(x_1\mid x_0)}",
    ),
    Group(
        "Line 8: end, middle, beginning",
        "D079",
        "D080",
        r"\log\frac{q(x_T\mid x_0)}{p_\theta(x_T)}+\sum_{t=2}^T" + _RATIO + r"-\log p_\theta(x_0\mid x_1)",
    ),
    Group("Line 9: means become divergences", "D081", "D083", _BOUND),
    Group("One term needs no training", "D084", "D084"),
    Group("Two Gaussians in one dimension", "D085", "D088", _KL),
    Group(
        "All pixels, fixed variances",
        "D089",
        "D090",
        r"D_{\mathrm{KL}}=\frac{\lVert\mu_1-\mu_2\rVert^2}{2\sigma_2^2}+\text{const}",
    ),
    Group(
        "Match the means, over pictures and noises",
        "D091",
        "D092",
        r"L_{t-1}=\mathbb E_{x_0,\epsilon}"
        r"\Big[\frac{1}{2\sigma_t^2}\lVert\tilde\mu_t-\mu_\theta(x_t,t)\rVert^2\Big]+C_t",
    ),
    Group(
        "The network predicts the noise; the weight",
        "D093",
        "D095",
        r"\frac{\beta_t^2}{2\sigma_t^2\,\alpha_t(1-\bar\alpha_t)}\,\lVert\epsilon-\epsilon_\theta(x_t,t)\rVert^2",
    ),
    Group(
        "Drop the weight; what is learned",
        "D096",
        "D097",
        _SIMPLE + r",\quad\epsilon^\star=-\sqrt{1-\bar\alpha_t}\;\nabla_{x_t}\log q(x_t)",
    ),
    Group("One step of the sampler", "D098", "D098", _SAMPLE),
    Group(
        "The picture in it, and how much noise to add",
        "D099",
        "D100",
        r"\mu_\theta=\tilde\mu_t(x_t,\hat x_0),\quad\sigma_t^2\in[\tilde\beta_t,\,\beta_t],\quad z=0\ \text{at}\ t=1",
    ),
)

ZOOM = {10: COARSE, 40: MEDIUM}
