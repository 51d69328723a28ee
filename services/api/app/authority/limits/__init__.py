"""What one key may ask of the models: how often, and how much at once."""

from app.authority.limits.keeping import Allowance as Allowance
from app.authority.limits.keeping import Limits as Limits
