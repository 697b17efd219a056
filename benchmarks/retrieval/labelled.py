"""The labelled questions: words as people use them, and phrases that the right passages hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question. A passage is right when it holds one of the phrases."""

    query: str
    phrases: tuple[str, ...]


def _asked(query: str, *phrases: str) -> Question:
    return Question(query, phrases)


SAMPLES = (
    _asked("refund window", "The refund window is", "How days are counted", "request comes late"),
    _asked("how long may a customer wait before asking the money back", "The refund window is"),
    _asked("does the day of the purchase count", "Count calendar days", "within 14 days"),
    _asked("my request was late, is an exception possible", "A request after the refund window"),
    _asked("job failed but credits are gone", "Credits are used up when"),
    _asked("I bought credits and never used any", "unused credits", "Credits are used up"),
    _asked("only some of my credits were spent", "A pack from which credits were spent"),
    _asked("somebody else used my account", "may have shared the account"),
    _asked(
        "exceptions made by hand for this account", "An exception that somebody made", "by hand"
    ),
    _asked("customer cites terms from another shop", "Customers quote what they remember"),
    _asked("how much does a parcel cost", "Parcels cost 5.90"),
    _asked("free shipping for large orders", "Orders above 80.00"),
    _asked("I moved, can you send it to the new address", "delivery address of a pending order"),
    _asked("cancel an order that is not shipped", "A pending order can be cancelled"),
    _asked("swap for another colour", "A delivered item can be swapped"),
    _asked("send goods back", "Goods may be returned"),
    _asked("final sale items", "marked as final sale"),
    _asked("who signs off on a payout of 5000", "Amounts up to 100.00 go out"),
    _asked("account with a fraud flag", "open fraud flag"),
    _asked("paid with a promotional voucher", "promotional voucher"),
    _asked("gift card balance in cash", "paid with a gift card"),
    _asked("when will the money arrive at my bank", "Banks take three to five"),
    _asked("tax on the invoice", "Amounts include VAT"),
    _asked("yearly software seat for a colleague", "A yearly seat can be moved"),
    _asked("the backpack is broken after a year", "Broken or faulty goods"),
)
"""About the refund desk's handbook and the shop's policies."""

RETAIL = (
    _asked("how do I find out who the user is", "authenticate the user identity"),
    _asked("may I help with somebody else's order", "requests for tasks related to any other user"),
    _asked("ask for confirmation before changing the database", "explicit user confirmation (yes)"),
    _asked("when to transfer to a human agent", "transfer the user to a human agent"),
    _asked("several tool calls at once", "at most make one tool call at a time"),
    _asked("what time zone are timestamps in", "All times in the database"),
    _asked("kinds of payment methods", "three types of payment methods"),
    _asked("variants and options of products", "variant items"),
    _asked("difference between product id and item id", "have no relations"),
    _asked("possible order statuses", "The status of an order can be"),
    _asked("how often can exchange tools be called", "can only be called once per order"),
    _asked("acceptable reasons for cancelling", "ordered by mistake"),
    _asked("how long until a cancelled order is refunded", "the total will be refunded"),
    _asked("change the shipping address of a pending order", "modify its shipping address"),
    _asked("switch payment to a gift card", "modify the payment method to gift card"),
    _asked("gift card balance too small", "must have enough balance"),
    _asked("swap an item of a pending order for another size", "modified to an available new item"),
    _asked("can an order be modified twice", "will not be able to modify or cancel"),
    _asked("change a shirt into shoes", "modify shirt to shoe"),
    _asked("who pays the price difference", "refund of the price difference"),
    _asked("return items of a delivered order", "can only be returned if its status"),
    _asked("where does the refund of a return go", "either go to the original payment method"),
    _asked("will the customer get a mail about the return", "receive an email regarding how to"),
    _asked("exchange a delivered item", "can only be exchanged if its status"),
    _asked("is a new order needed for an exchange", "no need to place a new order"),
)
"""About the retail benchmark's policy, which stands outside this project."""
