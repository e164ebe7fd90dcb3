"""Attention whose heads lie side by side in rows, as one node of ONNX Runtime.

PyTorch's exporter writes an attention as a split of rows into heads, ONNX's Attention, and a join. ONNX Runtime's own
MultiHeadAttention takes the rows as they are, and only so does it work through them in blocks: over 1,166 states it takes 17 ms
where the other takes 40 (docs/log.md). Keys and values that many passes read stay split, or it would split them in each.
"""

import onnx
from onnx import helper, numpy_helper

from unmask.export.onnx.own_operators import CONTRIB, use_own_operators
from unmask.export.onnx.static import drop_unused


def join_heads(model: onnx.ModelProto) -> None:
    """Replace the attentions of a graph by MultiHeadAttention, in place.

    Queries are rows (1, N, d) that are split into heads before each and joined after it; keys and values are either that, or
    given as heads.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    readers = {name: node for node in model.graph.node for name in node.input}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def rows(name: str) -> str:
        """What was split into heads; `name` itself if nothing was."""
        maker = makers.get(name)
        return makers[maker.input[0]].input[0] if maker is not None and maker.op_type == "Transpose" else name

    for node in model.graph.node:
        if node.op_type == "Attention":
            split, join = makers[makers[node.input[0]].input[0]], readers[readers[node.output[0]].output[0]]
            heads = int(numpy_helper.to_array(constants[split.input[1]])[2])
            inputs = [*map(rows, node.input[:3]), *(["", "", node.input[3]] if len(node.input) > 3 else [])]
            made = helper.make_node("MultiHeadAttention", inputs, join.output, node.name, domain=CONTRIB, num_heads=heads)
            join.CopyFrom(made)
    use_own_operators(model)
    drop_unused(model)


def scatter_directly(model: onnx.ModelProto) -> None:
    """Drop the expansion of what a ScatterND writes, in place: it has the shape already, which the exporter could not see."""
    makers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        maker = makers.get(node.input[2]) if node.op_type == "ScatterND" else None
        if maker is not None and maker.op_type == "Expand":
            node.input[2] = maker.input[0]
    drop_unused(model)
