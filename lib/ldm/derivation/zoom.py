"""The 24 steps gathered into 12 and into 6."""

from lib.derivation import Group

_SPLIT = (
    r"\log p(x)\ge\underbrace{\mathbb E_q[\log p(x\mid z)]+H}_{\text{first stage}}"
    r"+\underbrace{\mathbb E_q[\log p(z)]}_{\text{second stage}}"
)
_SAVED = r"\frac{3f^2}C\ \text{times fewer numbers, work}\propto\frac1{f^2}\ \text{to}\ \frac1{f^4}"
_CRITIC = r"D^*=\operatorname{sign}(p-q),\quad\text{loss}=1-\mathrm{TV}(p,q)"
_LOUD = r"\omega=\min\Big(\frac{\lVert g_r\rVert}{\lVert g_f\rVert+\delta},\;10^4\Big)"
_SCALE = r"\tilde z=\frac{z-m}{\sigma_z},\quad\text{else}\ \log\mathrm{SNR}\ \text{moves by}\ 2\log\sigma_z"
_WORDS = r"\operatorname{softmax}\Big(\frac{qk^\top}{\sqrt d}\Big)\,v,\quad\text{at}\ 6+1+9\ \text{sites}"
_WALK = (
    r"\begin{aligned}\hat z_0&=\hat z_{0,u}+s\,(\hat z_{0,c}-\hat z_{0,u})\\"
    r"z_{t'}^{\text{known}}&=\sqrt{\bar\alpha_{t'}}\,z_0+\sqrt{1-\bar\alpha_{t'}}\;\epsilon\end{aligned}"
)

ZOOM = {
    6: (
        Group("Two stages, and what the latents between them are", "L01", "L06", _SPLIT),
        Group("What is saved", "L07", "L08", _SAVED),
        Group("A critic, and how loud it may be", "L09", "L13", _CRITIC),
        Group("Latents of spread 1", "L14", "L17", _SCALE),
        Group("Words", "L18", "L22", _WORDS),
        Group("Guided and filled in", "L23", "L24", _WALK),
    ),
    12: (
        Group("The bound splits, and a latent is nearly a point", "L01", "L02", _SPLIT),
        Group(
            "What the weight of the KL decides",
            "L03",
            "L04",
            r"w^2=\max(\lambda-\beta\rho,\,0),\quad\sigma^2=\min(\beta\rho/\lambda,\,1)",
        ),
        Group(
            "No scale, and nothing lost by the split here",
            "L05",
            "L06",
            r"\text{best of all}+\begin{cases}\tfrac12(\beta-1-\log\beta),&\rho'=\rho\\0,&\rho'=\beta\rho\end{cases}",
        ),
        Group("How many numbers", "L07", "L07", r"\frac{3f^2}C=48"),
        Group(
            "How much work",
            "L08",
            "L08",
            r"\text{convolution}\propto\frac1{f^2},\quad\text{self-attention}\propto\frac1{f^4}",
        ),
        Group("The critic measures an overlap", "L09", "L11", _CRITIC),
        Group("How loud it may be", "L12", "L13", _LOUD),
        Group("Latents of spread 1", "L14", "L14", r"\tilde z=\frac{z-m}{\sigma_z}"),
        Group(
            "Any other spread is another schedule", "L15", "L17", r"\log\mathrm{SNR}\to\log\mathrm{SNR}+2\log\sigma_z"
        ),
        Group(
            "Attention from places to words",
            "L18",
            "L19",
            r"A_{nl}=p(l\mid q_n)=\operatorname{softmax}_l\Big(\frac{q_n^\top k_l}{\sqrt d}\Big)",
        ),
        Group("Padding, order, and sixteen sites", "L20", "L22", r"6+1+9=16\ \text{sites}"),
        Group("Guided and filled in", "L23", "L24", _WALK),
    ),
}
