"""For authors of models: ``check_recommender`` says whether a model keeps the contract."""

from penchant.testing.check import BrokenLaw, check_recommender, laws

__all__ = ["BrokenLaw", "check_recommender", "laws"]
