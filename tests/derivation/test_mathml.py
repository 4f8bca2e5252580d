"""Formulas become well-formed MathML Core, and what is not known is refused instead of set wrongly."""

import xml.etree.ElementTree as ET

import pytest

from lib.derivation import prose_to_html, to_mathml

CORE = set(
    "math mrow mi mn mo mtext mspace mfrac msqrt mroot mstyle mtable mtr mtd".split()
    + "msub msup msubsup munder mover munderover".split()
)

FORMULAS = [
    r"q(x_t\mid x_{t-1})=\mathcal N\!\big(x_t;\sqrt{1-\beta_t}\,x_{t-1},\,\beta_t I\big)",
    r"\underbrace{\mathbb E_q\Big[\log\dfrac{p_\theta(x,z)}{q_\phi(z\mid x)}\Big]}_{\mathrm{ELBO}}+D_{\mathrm{KL}}",
    r"\operatorname{Var}x_t=\tilde\mu_t(x_t,x_0),\ \bar\alpha_t,\ \hat x_0,\ \widehat{xy}",
    r"\begin{aligned}a&=b+c\\&=d\end{aligned}",
    r"f(x)=\begin{cases}1&x>0\\0&\text{otherwise, }x<0\end{cases}",
    r"\left[\begin{pmatrix}a&b\\c&d\end{pmatrix}\right.",
    r"-\frac{\lVert x_t-m\rVert^2}{2\beta_t}-\frac d2\log_2(2\pi\beta_t)",
    r"\nabla_{\!\mu}\,\mathbb E_{\epsilon\sim\mathcal N(0,I)}\left[f(\mu+\sigma\odot\epsilon)\right]",
    r"\prod_{t=1}^{T}q(x_t\mid x_{t-1}),\quad\sum_{i=1}^d\sigma_i^2,\quad\int_0^1 f'(x)\,dx",
    r"\operatorname*{arg\,min}_\theta\;\overbrace{a+b}^{n}\Rightarrow x\in\mathbb R^{d}",
    r"x_{1:T}\sim q(\cdot\mid x_0),\ \alpha_t:=1-\beta_t,\ \partial_{\log\sigma^2}",
    r"\boldsymbol{\mu},\mathbf{x1},\boldsymbol\epsilon,\ \text{chain of }t\text{ steps}\;\to\;x",
    r"\stackrel{d}{=},\ \left\lVert\frac{a}{b}\right\rVert^2,\ x^{(1)},\ \sqrt[3]{x},\ |x|,\ \|x\|,\ q\,\Vert\,p",
    r"\tfrac12(\mu^2+\sigma^2-\log\sigma^2-1)\ge 0.5",
]


@pytest.mark.parametrize("latex", FORMULAS)
def test_the_formulas_of_the_course_become_well_formed_mathml_core(latex):
    """Chromium, Firefox and Safari share this level; elements outside it are drawn by some and not by others."""
    tree = ET.fromstring(to_mathml(latex).replace("&#xA0;", " "))
    assert tree.tag == "math" and {element.tag for element in tree.iter()} <= CORE
    arity = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3, "mroot": 2}
    for element in tree.iter():
        assert len(element) == arity.get(element.tag, len(element)), ET.tostring(element)


def texts(latex):
    return [element.text for element in ET.fromstring(to_mathml(latex)).iter() if element.text]


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\mathbb E", ["𝔼"]),
        (r"\mathbb{R}", ["ℝ"]),
        (r"\mathcal L", ["ℒ"]),
        (r"\mathcal N", ["𝒩"]),
        (r"\boldsymbol\mu", ["𝝁"]),
        (r"\boldsymbol\epsilon", ["𝝐"]),
        (r"\mathbf{x}", ["𝐱"]),
        (r"\frac12", ["1", "2"]),
        (r"\mathrm{KL}", ["KL"]),
        (r"\begin{cases}a&b\\c&d\end{cases}", ["{", "a", "b", "c", "d"]),
        (r"\left[a\right.", ["[", "a"]),
        (r"12.5x", ["12.5", "x"]),
        (r"\alpha_t:=1", ["α", "t", "≔", "1"]),
        (r"1=:x_{1:T}", ["1", "≕", "x", "1", ":", "T"]),
    ],
)
def test_letters_and_numbers_are_what_latex_means(latex, expected):
    """Alphabets are characters of their own: browsers ignore the attribute that once stood for them."""
    assert texts(latex) == expected


def test_a_minus_sign_is_binary_between_terms_and_unary_in_front():
    """Space belongs around the first and not after the second."""
    for latex in ("a-b", "(a)-b", r"a\;-b"):
        assert 'lspace="0.222em"' in to_mathml(latex), latex
    for latex in ("-b", "a=-b", "(-b", r"a=\;-b", r"\log -b", r"\frac{-a}{b}"):
        assert 'form="prefix" lspace="0" rspace="0">−' in to_mathml(latex), latex


def test_functions_keep_a_distance_from_letters_but_not_from_brackets():
    """log p, yet log(p)."""
    for latex in (r"\log p", r"a\log(p)", r"\operatorname{Var}x", r"\log_2 p"):
        assert "mspace" in to_mathml(latex), latex
    assert "mspace" not in to_mathml(r"\log(p)") and "mspace" not in to_mathml(r"=\log(p)")


def test_limits_stand_above_and_below_sums_and_beside_integrals():
    """As LaTeX does in displayed formulas."""
    for latex in (r"\sum_i^n", r"\prod_i^n", r"\max_i^n", r"\operatorname*{arg\,min}_i^n"):
        assert "<munderover>" in to_mathml(latex), latex
    for latex in (r"\int_i^n", r"x_i^n", r"\log_i^n", r"\operatorname{Var}_i^n"):
        assert "<msubsup>" in to_mathml(latex), latex


@pytest.mark.parametrize(
    ("latex", "words"),
    [
        (r"\foo{x}", r"\\foo is not known in the formula"),
        (r"\frac{1}", "ends too early"),
        (r"{a", "ends too early"),
        (r"a}", "} has no partner"),
        (r"\left( a", "ends too early"),
        (r"\left x a\right)", "x is no bracket"),
        (r"x_1_2", "_ comes twice"),
        (r"\begin{align}a\end{align}", "align.* is not known"),
        (r"\begin{cases}a\end{aligned}", "is not ended"),
        (r"\mathbb{\mu}", "has no form of 'μ'"),
        (r"a \\ b", "has no partner"),
    ],
)
def test_what_is_not_known_is_refused_by_name(latex, words):
    """A formula that is silently set wrong would be learnt wrong."""
    with pytest.raises(ValueError, match=words):
        to_mathml(latex)


def test_prose_is_escaped_around_its_formulas():
    """Only dollars, stars and backticks mean something."""
    html = prose_to_html("If $x<1$ & *only* then `a < b`.")
    assert html.startswith("If <math>") and "&amp; <em>only</em> then <code>a &lt; b</code>." in html
    with pytest.raises(ValueError, match="dollar signs must come in pairs"):
        prose_to_html("one $x")
