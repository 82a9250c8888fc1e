"""A model file made from another one: the same weights, written in another number format by the gguf package."""

from pathlib import Path

from grace.errors import ModelFileError


def requantize(source: Path, target: Path, number_format: str) -> None:
    """Write a GGUF file whose quantized matrices have another number format. Equal sources give equal bytes.

    Args:
        source: the GGUF file to read.
        target: the file to write.
        number_format: as the format calls it: Q8_0, Q4_0, F16.

    Raises:
        ModelFileError: the gguf package is not installed.
    """
    try:
        from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
        from gguf.quants import dequantize, quantize
    except ImportError:
        raise ModelFileError(
            f"{target.name}: is made on this machine with the package gguf: pip install 'grace-experiments[local]'"
        ) from None
    kind = GGMLQuantizationType[number_format]
    reader = GGUFReader(source)
    writer = GGUFWriter(target, str(reader.fields["general.architecture"].contents()))
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        inner = field.types[-1] if field.types[0] is GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        if tensor.tensor_type in (GGMLQuantizationType.F32, kind):
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        else:
            writer.add_tensor(tensor.name, quantize(dequantize(tensor.data, tensor.tensor_type), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
