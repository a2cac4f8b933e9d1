"""The workloads in PyTorch: the idiomatic equivalent of each."""

import torch
import torch.nn.functional as F
from common import GPU, RNG, f32, registry
from torch import nn
from torch.func import functional_call, grad, vmap


def pytorch(compiled: bool):
    """The table of workloads, and the function that waits for a result."""
    torch.set_default_device("cuda" if GPU else "cpu")
    compile_ = torch.compile if compiled else (lambda f: f)
    table, workload, large = registry()

    def tensor(*shape, scale=1.0):
        return torch.tensor(f32(*shape, scale=scale))

    @workload
    def dispatch_add4():
        f, x = compile_(lambda x: x + 1), torch.ones(4)
        return lambda: f(x)

    @workload
    def gelu_16M():
        f, x = compile_(lambda x: F.gelu(x, approximate="tanh")), tensor(1 << 24)
        return lambda: f(x)

    @workload
    def grad_chain_16M():
        x = tensor(1 << 24).requires_grad_()
        f = compile_(lambda x: torch.sum(torch.exp(-x * x) * torch.sin(x) + torch.log1p(x * x)))
        return lambda: torch.autograd.grad(f(x), x)

    @workload
    def softmax_4096x1024():
        f, x = compile_(lambda x: F.softmax(x, -1)), tensor(4096, 1024)
        return lambda: f(x)

    @workload
    def layernorm_4096x1024():
        f, x = compile_(lambda x: F.layer_norm(x, (1024,))), tensor(4096, 1024)
        return lambda: f(x)

    @workload
    def sum_rows_4096x1024():
        f, x = compile_(lambda x: x.sum(0)), tensor(4096, 1024)
        return lambda: f(x)

    @workload
    def matmul_1024():
        f, x = compile_(lambda a: a @ a), tensor(1024, 1024)
        return lambda: f(x)

    class CNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.c1, self.c2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
            self.f1, self.f2 = nn.Linear(9216, 128), nn.Linear(128, 10)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.c2(F.relu(self.c1(x)))), 2).flatten(1)
            return F.log_softmax(self.f2(F.relu(self.f1(x))), -1)

    def mlp():
        return nn.Sequential(
            nn.Linear(784, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 10),
            nn.LogSoftmax(-1),
        )

    def train(net, x, y):
        opt = torch.optim.Adam(net.parameters(), 1e-3)
        loss_of = compile_(lambda x, y: F.nll_loss(net(x), y))

        def step():
            opt.zero_grad()
            loss = loss_of(x, y)
            loss.backward()
            opt.step()

        return step

    def labels(batch):
        return torch.tensor(RNG.integers(0, 10, batch))

    @workload
    def cnn_train_b64():
        return train(CNN(), tensor(64, 1, 28, 28), labels(64))

    @workload
    def cnn_train_b256():
        return train(CNN(), tensor(256, 1, 28, 28), labels(256))

    @large
    def cnn_train_b4096():
        return train(CNN(), tensor(4096, 1, 28, 28), labels(4096))

    @workload
    def cnn_infer_b64():
        net, x = compile_(CNN()), tensor(64, 1, 28, 28)

        def run():
            with torch.no_grad():
                net(x)

        return run

    @workload
    def mlp_train_b128():
        return train(mlp(), tensor(128, 784), labels(128))

    @workload
    def per_example_grads_b128():
        net = mlp()
        p = {k: v.detach() for k, v in net.named_parameters()}
        f = vmap(
            grad(lambda p, x, y: F.nll_loss(functional_call(net, p, (x[None],)), y[None])),
            (None, 0, 0),
        )
        x, y = tensor(128, 784), labels(128)
        return lambda: f(p, x, y)

    @workload
    def lstm_grad_T100():
        net, xs = nn.LSTM(256, 256), tensor(100, 32, 256)

        def run():
            net.zero_grad()
            net(xs)[0].sum().backward()

        return run

    def transformer(batch, length, d):
        ws = [
            tensor(*s, scale=0.05).requires_grad_()
            for s in ((d, 3 * d), (d, d), (d, 4 * d), (4 * d, d))
        ]
        x = tensor(batch, length, d)

        def block(x):
            q, k, v = (
                t.reshape(batch, length, d // 64, 64).transpose(1, 2)
                for t in (F.layer_norm(x, (d,)) @ ws[0]).split(d, -1)
            )
            a = F.scaled_dot_product_attention(q, k, v)
            x = x + a.transpose(1, 2).reshape(batch, length, d) @ ws[1]
            return x + F.gelu(F.layer_norm(x, (d,)) @ ws[2], approximate="tanh") @ ws[3]

        f = compile_(lambda x: (block(x) ** 2).sum())
        return lambda: torch.autograd.grad(f(x), ws)

    @workload
    def transformer_block_grad():
        return transformer(8, 128, 256)

    @large
    def transformer_block_grad_large():
        return transformer(16, 1024, 1024)

    @workload
    def hessian_vector_product():
        def f(x):
            return torch.sum(torch.tanh(x) ** 3 + torch.exp(-x * x))

        x, v = tensor(1 << 20).requires_grad_(), tensor(1 << 20)

        def run():
            (g,) = torch.autograd.grad(f(x), x, create_graph=True)
            return torch.autograd.grad(g, x, v)

        return run

    @workload
    def random_normal_4M():
        return lambda: torch.randn(1 << 22)

    @workload
    def eager_grad_small():
        x = torch.ones(4, requires_grad=True)
        return lambda: torch.autograd.grad(torch.sum(torch.tanh(x) ** 2), x)

    return table, (lambda value: torch.cuda.synchronize()) if GPU else (lambda value: value)
