"""``dataclass`` for the classes that every upload makes, without the module ``dataclasses``.

That module takes longer to load than the rest of a small upload. What these classes show is the same, and
what it knows of a class (``fields``, ``asdict``, ``replace``, ``is_dataclass``, and ``inspect.signature``) it
is told when it asks.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing
    from collections.abc import Callable
else:
    from ._lazy import typing


def dataclass(*, frozen: bool, slots: bool, kw_only: bool) -> Callable[[type], type]:
    """Like ``dataclasses.dataclass`` with all three set, which is the only form that is wanted here."""
    if not (frozen and slots and kw_only):
        raise TypeError("records are frozen, have slots, and take keywords only")
    return _record


def _record(plain: type) -> type:
    names = tuple(plain.__annotations__)
    given = dict(vars(plain))
    defaults = {name: given.pop(name) for name in names if name in given}
    wanted = frozenset(names)
    store = object.__setattr__

    # The names of dataclasses: they are seen in tracebacks.
    def __init__(self: typing.Any, **fields: typing.Any) -> None:
        if fields.keys() != wanted:
            fields = _complete(plain.__name__, names, defaults, fields)
        for name in names:
            store(self, name, fields[name])

    def __repr__(self: typing.Any) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({shown})"

    def __eq__(self: typing.Any, other: object) -> typing.Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return __getstate__(self) == __getstate__(other)

    def __hash__(self: typing.Any) -> int:
        return hash(tuple(__getstate__(self)))

    def __setattr__(self: typing.Any, name: str, value: object) -> None:
        raise _frozen(f"cannot assign to field {name!r}")

    def __delattr__(self: typing.Any, name: str) -> None:
        raise _frozen(f"cannot delete field {name!r}")

    def __getstate__(self: typing.Any) -> list[typing.Any]:
        return [getattr(self, name) for name in names]

    def __setstate__(self: typing.Any, state: list[typing.Any]) -> None:
        for name, value in zip(names, state, strict=True):
            store(self, name, value)

    def __replace__(self: typing.Any, /, **changes: typing.Any) -> typing.Any:
        return type(self)(**{**dict(zip(names, __getstate__(self), strict=True)), **changes})

    made = (__init__, __repr__, __eq__, __hash__, __setattr__, __delattr__, __getstate__, __setstate__, __replace__)
    for method in made:
        method.__qualname__ = f"{plain.__qualname__}.{method.__name__}"
        given[method.__name__] = method
    twin = _Twin(plain)
    for name in ("__dataclass_fields__", "__dataclass_params__", "__signature__"):
        given[name] = _Known(twin, name)
    given |= {"__slots__": names, "__match_args__": ()}
    # A class cannot get slots afterwards.
    for name in ("__dict__", "__weakref__"):
        given.pop(name, None)
    return type(plain.__name__, plain.__bases__, given)


class _Twin:
    """The same class as the module ``dataclasses`` makes it, made when it is first wanted."""

    def __init__(self, plain: type) -> None:
        self._plain = plain
        self._made: typing.Any = None

    def get(self) -> typing.Any:
        if self._made is None:
            import dataclasses

            decorate: typing.Any = dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
            self._made = decorate(self._plain)
        return self._made


class _Known:
    """An attribute of a class that its twin knows."""

    def __init__(self, twin: _Twin, name: str) -> None:
        self._twin = twin
        self._name = name

    def __get__(self, instance: object, owner: type) -> typing.Any:
        if self._name == "__signature__":
            import inspect

            return inspect.signature(self._twin.get())
        return getattr(self._twin.get(), self._name)


def _complete(
    title: str, names: tuple[str, ...], defaults: dict[str, typing.Any], given: dict[str, typing.Any]
) -> dict[str, typing.Any]:
    """All fields, or the ``TypeError`` of any function."""
    for name in given:
        if name not in names:
            raise TypeError(f"{title}.__init__() got an unexpected keyword argument {name!r}")
    fields = {**defaults, **given}
    missing = [repr(name) for name in names if name not in fields]
    if missing:
        raise TypeError(f"{title}.__init__() misses the keyword-only arguments {', '.join(missing)}")
    return fields


def _frozen(text: str) -> AttributeError:
    import dataclasses

    return dataclasses.FrozenInstanceError(text)
