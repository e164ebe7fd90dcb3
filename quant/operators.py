"""What the NPU providers of ONNX Runtime say they take: operators, types, opsets. Data with its sources; knows no graph."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """assumed: operators that the source does not list and that are taken to be meant."""

    source: str
    operators: frozenset[str]
    assumed: frozenset[str]
    opset: int  # the newest that is taken

    def takes(self, operator: str) -> bool:
        return operator in self.operators or operator in self.assumed


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


QNN = """
Abs Add And ArgMax ArgMin Asin Atan AveragePool BatchNormalization Cast Clip Concat Conv ConvTranspose Cos DepthToSpace
DequantizeLinear Div Elu Equal Exp Expand Flatten Floor Gather Gelu Gemm GlobalAveragePool Greater GreaterOrEqual GridSample
HardSwish InstanceNormalization LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization MatMul Max
MaxPool Min Mul Neg Not Or PRelu Pad Pow QuantizeLinear ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Resize Round
Sigmoid Sign Sin Slice Softmax SpaceToDepth Split Sqrt Squeeze Sub Tanh Tile TopK Transpose Unsqueeze Where
"""
OPENVINO = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Celu Clip Concat Constant
ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf
Exp Expand Flatten Floor Gather GatherND Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual HardSigmoid
Identity If InstanceNormalization LRN LSTM LeakyRelu Less LessOrEqual Log LogSoftmax Loop MatMul Max MaxPool Mean
MeanVarianceNormalization Min Mod Mul Neg NonMaxSuppression Not OneHot Or PRelu Pad Pow QuantizeLinear Range Reciprocal ReduceL1
ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
ReverseSequence RoiAlign Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Size Slice Softmax Softplus Softsign
SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Unsqueeze Where Xor
"""
VITISAI = """
Abs Add And AveragePool BatchNormalization BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast Ceil Clip Concat ConstantOfShape
ConvTranspose Cos DepthToSpace Div Einsum Elu Equal Erf Exp Expand Flatten Floor Gather Gelu GlobalAveragePool Greater
GreaterOrEqual HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
Max MaxPool Min Mul Neg Not Or Pad Pow Range Reciprocal ReduceL1 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
ReduceSum ReduceSumSquare Relu Reshape Resize Round ScatterND Shape Sigmoid Sign Sin
"""

RULES = {
    "qnn": Rules(
        "ONNX Runtime's page on its QNN provider, 'Supported ONNX operators' (the columns say nothing of types)",
        _names(QNN),
        _names("Reshape"),  # its compiler takes it
        24,
    ),
    "openvino": Rules(
        "ONNX Runtime's page on its OpenVINO provider, 'Support Coverage'; its table is of CPU and GPU, it has none of NPUs",
        _names(OPENVINO),
        _names("Gelu LayerNormalization"),  # the provider takes them on a CPU: tested
        24,
    ),
    "vitisai": Rules(
        "AMD's page 'Supported Operators' of Vitis AI 6.2, its column INT8, as far as a stored copy of it reads (up to S)",
        _names(VITISAI),
        _names(
            "Conv DequantizeLinear Gemm MatMul QuantizeLinear Slice Softmax Split Sqrt Squeeze Sub Tanh Tile TopK Transpose"
            " Unsqueeze Where"
        ),
        22,  # "partial support for opset 21 and 22"
    ),
}
