"""Every docstring's examples run, and every public name has a docstring."""

import doctest
import inspect
import pkgutil
from importlib import import_module

import pytest

import femtograd

GLOBALS = {name: getattr(femtograd, name) for name in femtograd.__all__}


def modules():
    yield femtograd
    names = [found.name for found in pkgutil.walk_packages(femtograd.__path__, "femtograd.")]
    # What is public first, so that a thing goes by its public name.
    for name in sorted(names, key=lambda name: "._" in name):
        if not name.endswith("__main__"):
            yield import_module(name)


def documented():
    """(name, object) of every public class, function, method and property, once."""
    seen = set()
    for module in modules():
        public = getattr(module, "__all__", [name for name in dir(module) if not name.startswith("_")])
        for name in public:
            thing = getattr(module, name)
            if inspect.ismodule(thing) or id(thing) in seen:
                continue
            if not getattr(thing, "__module__", "femtograd").startswith("femtograd"):
                continue
            seen.add(id(thing))
            yield f"{module.__name__}.{name}", thing
            if inspect.isclass(thing):
                for key, member in vars(thing).items():
                    if not key.startswith("_"):
                        yield f"{module.__name__}.{name}.{key}", member


THINGS = dict(documented())


@pytest.mark.parametrize("name", THINGS)
def test_docstring(name):
    thing = THINGS[name]
    if not (callable(thing) or inspect.isdatadescriptor(thing) or inspect.ismethoddescriptor(thing)):
        return
    text = inspect.getdoc(thing)
    assert text, f"{name} has no docstring"
    if not any(part.startswith("_") for part in name.split(".")):
        assert ">>>" in text, f"{name} has no example"
    globs = {"femtograd": femtograd, **GLOBALS}
    example = doctest.DocTestParser().get_doctest(text, globs, name, None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(example)
    assert runner.failures == 0
