"""Sums of products of rows that are shifted against each other, held in registers; numba's own loops store them after each term.

Matrices lie flat: element (i, e) of one stands at i times its row's length + e.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from benchmark.nn.compiled.bf16 import INSIDE

VECTOR = 16  # numbers that are computed together
OFFSETS = 7  # shifts whose sums are held at once: those of the window that KnowFREE has by default


class _Code:
    """Vectors at places of arrays, in the function that is being built."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        self.arrays = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        number = context.get_value_type(signature.args[0].dtype)
        self.vector, self.whole = ir.VectorType(number, VECTOR), ir.IntType(64)
        self.align = 4 if number == ir.FloatType() else 8

    def at(self, base: Any, index: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(base, [index]), self.vector.as_pointer())

    def load(self, base: Any, index: Any) -> Any:
        return self.builder.load(self.at(base, index), align=self.align)

    def store(self, value: Any, base: Any, index: Any) -> None:
        self.builder.store(value, self.at(base, index), align=self.align)

    def steps(self, first: Any, step: Any, count: int) -> list[Any]:
        """first, first + step, ..."""
        return [self.builder.add(first, self.builder.mul(step, self.whole(o))) for o in range(count)]

    def added(self, total: Any, x: Any, y: Any) -> Any:
        return self.builder.fadd(total, self.builder.fmul(x, y, flags=("contract",)), flags=("contract",))

    def loop(self, count: Any, start: list[Any], body: Any) -> list[Any]:
        """What is left of `start` after body(index, values) has changed it `count` times, at least once."""
        builder, before = self.builder, self.builder.block
        inside, after = builder.append_basic_block("inside"), builder.append_basic_block("after")
        builder.branch(inside)
        builder.position_at_end(inside)
        index, values = builder.phi(self.whole), [builder.phi(v.type) for v in start]
        found, following = body(index, values), builder.add(index, self.whole(1))
        for phi, first, then in zip([index, *values], [self.whole(0), *start], [following, *found], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(then, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, count), inside, after)
        builder.position_at_end(after)
        return list(found)


def _dots_of(count: int) -> Any:
    @intrinsic
    def dots(typing_context, x, at_x, x_row, y, at_y, y_row, into, at, row, size):
        def code(context, builder, signature, arguments):
            c = _Code(context, builder, signature, arguments)
            of_x, at_x, x_row, of_y, at_y, y_row, into, at, row, size = c.arrays

            def body(d: Any, sums: list[Any]) -> list[Any]:
                own = c.load(of_x, builder.add(at_x, builder.mul(d, x_row)))
                shifted = c.steps(builder.add(at_y, builder.mul(d, y_row)), c.whole(1), count)
                return [c.added(total, own, c.load(of_y, place)) for total, place in zip(sums, shifted, strict=True)]

            nothing = ir.Constant(c.vector, [0.0] * VECTOR)
            for total, place in zip(c.loop(size, [nothing] * count, body), c.steps(at, row, count), strict=True):
                c.store(total, into, place)
            return context.get_dummy_value()

        whole = types.intp
        return types.void(x, whole, whole, y, whole, whole, into, whole, whole, whole), code

    return dots


def _weighted_of(count: int) -> Any:
    @intrinsic
    def weighted(typing_context, weights, at_w, w_step, x, at_x, x_step, x_row, into, at, row, size):
        def code(context, builder, signature, arguments):
            c = _Code(context, builder, signature, arguments)
            weights, at_w, w_step, of_x, at_x, x_step, x_row, into, at, row, size = c.arrays
            held = [c.load(weights, place) for place in c.steps(at_w, w_step, count)]

            def body(d: Any, _: list[Any]) -> list[Any]:
                place = builder.add(at, builder.mul(d, row))
                total = c.load(into, place)
                for weight, other in zip(held, c.steps(builder.add(at_x, builder.mul(d, x_row)), x_step, count), strict=True):
                    total = c.added(total, weight, c.load(of_x, other))
                c.store(total, into, place)
                return []

            c.loop(size, [], body)
            return context.get_dummy_value()

        whole = types.intp
        return types.void(weights, whole, whole, x, whole, whole, whole, into, whole, whole, whole), code

    return weighted


_dots, _dot = _dots_of(OFFSETS), _dots_of(1)
_weighted, _weighted_once = _weighted_of(OFFSETS), _weighted_of(1)


@njit(**INSIDE)
def products(into: Any, x: Any, y: Any, reach: int, size: int, wide: int, y_row: int) -> None:
    """into[o, e] = sum over d < size of x[d, e] y[d, e + o], of o < reach and e < wide, a multiple of VECTOR.

    Shapes:
        into: [reach, wide]; x: [size, wide]; y: [size, y_row], y_row at least wide + reach - 1
    """
    for e in range(0, wide, VECTOR):
        o = 0
        while o + OFFSETS <= reach:
            _dots(x, e, wide, y, e + o, y_row, into, o * wide + e, wide, size)
            o += OFFSETS
        while o < reach:
            _dot(x, e, wide, y, e + o, y_row, into, o * wide + e, wide, size)
            o += 1


@njit(**INSIDE)
def sums(into: Any, weights: Any, at_w: int, w_step: int, x: Any, at_x: int, x_step: int, x_row: int, reach: int, size: int) -> None:
    """into[d, e] = sum over o < reach of weights[at_w + o w_step + e] x[at_x + o x_step + d x_row + e], of d < size.

    Shapes:
        into: [size, wide], wide a multiple of VECTOR
    """
    wide = len(into) // size
    into[:] = 0
    for e in range(0, wide, VECTOR):
        o = 0
        while o + OFFSETS <= reach:
            _weighted(weights, at_w + o * w_step + e, w_step, x, at_x + o * x_step + e, x_step, x_row, into, e, wide, size)
            o += OFFSETS
        while o < reach:
            _weighted_once(weights, at_w + o * w_step + e, w_step, x, at_x + o * x_step + e, x_step, x_row, into, e, wide, size)
            o += 1
