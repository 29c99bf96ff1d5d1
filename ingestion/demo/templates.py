"""What customers and agents write: templates whose slots make each text its own."""

# A subject and a text each.
TICKETS: tuple[tuple[str, str], ...] = (
    (
        "Where is order {order}?",
        "I ordered the {product} {days} days ago and the tracking page has said 'label "
        "created' ever since. The parcel was meant to reach {city} last week. Can you ask the "
        "carrier what happened, or send it again?",
    ),
    (
        "{product} arrived broken",
        "The box looked fine from outside, but the {product} inside was cracked on one side "
        "and small pieces fell out when I lifted it. I kept all of the packaging and took "
        "photographs. I would prefer a replacement to a refund.",
    ),
    (
        "Wrong colour delivered",
        "I chose {colour} for the {product} and received a completely different shade. The "
        "label on the box says {colour}, so somebody must have packed it wrongly. How do I "
        "swap it without paying for postage a second time?",
    ),
    (
        "Charged twice for order {order}",
        "My bank shows two payments of {amount} EUR for order {order}, both on the same day. "
        "Only one confirmation reached me. Please check which of them is real and give the "
        "other one back as soon as you can.",
    ),
    (
        "How long is the guarantee on {product}?",
        "Before I buy the {product} I would like to know how long the guarantee runs and "
        "whether it covers ordinary wear. My last one from another shop failed after thirteen "
        "months and they would not help at all.",
    ),
    (
        "Cancel order {order} please",
        "I placed order {order} this morning and noticed too late that I picked {quantity} "
        "pieces of the {product} instead of one. If it has not left the warehouse, please "
        "cancel all of it and I will order again.",
    ),
    (
        "Discount code does not work",
        "The code from your newsletter is refused at checkout with the message 'not valid for "
        "this basket', although the {product} is not on sale. I tried two browsers and also "
        "the app. The offer ends in {days} days, so please hurry.",
    ),
    (
        "Return label for {product}",
        "I would like to send the {product} back; it is unused and still in its wrapping. The "
        "returns page asks me for a code that I never received. Could you mail me a label that "
        "I can print in {city}?",
    ),
    (
        "Refund still missing",
        "You confirmed {days} days ago that my return had arrived and that {amount} EUR would "
        "be on its way. Nothing has reached my account so far. Is there a problem with the "
        "payment, or do banks simply take this long?",
    ),
    (
        "{product} stopped working",
        "After {days} days of normal use the {product} stopped working overnight. I followed "
        "the troubleshooting page, reset it twice and let it rest for an hour, but nothing "
        "changes. What would you suggest that I try next?",
    ),
    (
        "Spare parts",
        "Do you sell spare parts for the {product}? I only need the small seal at the bottom, "
        "and it seems a waste to throw the whole thing away for a piece that cannot cost more "
        "than a euro or two.",
    ),
    (
        "Change of delivery address",
        "We are moving to {city} next week and order {order} will probably arrive after that. "
        "Can the delivery still be redirected, or should I ask the neighbours at the old house "
        "to take it in for us?",
    ),
    (
        "Assembly instructions missing",
        "The {product} came without instructions and with {quantity} more screws than I know "
        "what to do with. The download on your site shows an older model with different holes. "
        "Please send the right sheet, ideally as a file.",
    ),
    (
        "Size advice for {product}",
        "I am between two sizes and cannot decide about the {product}. The table gives the "
        "chest measure but not the length of the sleeves. Would you take the larger one for "
        "wearing a thick jumper underneath it?",
    ),
    (
        "App logs me out",
        "Since the update the app logs me out every time that I open a product page, and my "
        "basket is empty afterwards. It happens on the tablet and on the telephone. The "
        "website in a browser works without trouble.",
    ),
    (
        "Invoice for order {order}",
        "Our bookkeeping needs a proper invoice for order {order} with the company name and "
        "the tax number on it. The file attached to your message is only a delivery note. "
        "Could you issue it again for {amount} EUR?",
    ),
    (
        "Smell from {product}",
        "The {product} has a strong chemical smell that has not gone away after {days} days by "
        "an open window. Is that normal for a new one, and is it safe to use around small "
        "children and food?",
    ),
    (
        "Gift wrapping forgotten",
        "I paid for gift wrapping and a card, but order {order} arrived in plain cardboard "
        "with the price list inside. The birthday was yesterday, so it is too late now; I "
        "would at least like that part of the money back.",
    ),
    (
        "Partial delivery",
        "Only {quantity} of the pieces that I ordered were in the parcel, and the note says "
        "'complete'. The {product} is missing. Will it follow separately, or has it been "
        "forgotten on a shelf in your warehouse?",
    ),
    (
        "Thank you",
        "I just wanted to say that the {product} is the best one I have ever owned and that "
        "the driver in {city} carried it up four floors with a smile. Please pass this on to "
        "whoever is in charge.",
    ),
    (
        "Delete my account",
        "I no longer shop with you and would like my account and everything stored about me to "
        "be removed, including the old orders. Please confirm in writing when this is done and "
        "tell me what you have to keep, and why.",
    ),
    (
        "Newsletter keeps coming",
        "I have unsubscribed from the newsletter {quantity} times and it still arrives every "
        "Thursday morning. The link says that it worked. Please take me off the list by hand, "
        "and off any other list I may be on.",
    ),
    (
        "Payment page times out",
        "When I try to pay {amount} EUR for the {product} the page of the bank opens, turns "
        "for a minute and then returns to your shop with 'payment failed'. It has been like "
        "this since yesterday evening, with two cards.",
    ),
    (
        "Stock question: {product}",
        "Your page says that the {product} in {colour} is sold out. Do you know when more will "
        "come, and can I reserve {quantity} of them? We are furnishing a small guest house "
        "near {city} and would need them all together.",
    ),
    (
        "Care instructions",
        "How should I clean the {product}? The label shows a symbol that I have never seen, a "
        "circle with two lines under it. I do not want to ruin it in the first wash, "
        "considering what it cost me.",
    ),
    (
        "Customs fees",
        "The courier asks me for customs fees before handing over order {order}, although the "
        "checkout said that all duties were included. I refused the parcel for now. Who pays "
        "this, and will it be delivered again?",
    ),
    (
        "Late for the third time",
        "This is the third order in a row that came late, and nobody told me beforehand. I "
        "like your products, the {product} above all, but I plan my days around deliveries and "
        "would need dates that I can trust.",
    ),
    (
        "Firmware update failed",
        "The {product} asked for an update, counted up to ninety percent and has shown a red "
        "light since. Holding the button for {quantity} seconds does nothing. Is there a way "
        "to load the old version from a computer?",
    ),
    (
        "Loyalty points disappeared",
        "My loyalty points were worth about {amount} EUR last month and today the page shows "
        "zero. I have not ordered anything since. Did they expire without a warning, or is it "
        "an error in the new account page?",
    ),
    (
        "Allergy question",
        "Could you tell me what the filling of the {product} is made of? My daughter is "
        "allergic to feathers and to latex, and the page only says 'natural material'. I would "
        "rather be sure before it enters the house.",
    ),
    (
        "Pick-up point closed",
        "The pick-up point in {city} where order {order} was left has closed for good; there "
        "is a notice on its door. The parcel must be somewhere inside. Can you have it brought "
        "to another shop close by?",
    ),
    (
        "Bulk order for our office",
        "We would like to order {quantity} pieces of the {product} for a new office and wonder "
        "whether there is a price for companies. Delivery should go to {city} on a fixed day, "
        "because the lift is booked by the hour.",
    ),
    (
        "Part of the set is missing",
        "The {product} was meant to come as a set, but one piece is not in the carton. The "
        "inner tray has an empty hollow of exactly its shape, so it seems it was never put in. "
        "Please send the piece alone.",
    ),
    (
        "Noise from {product}",
        "Since last weekend the {product} makes a loud rattling noise when it starts and a "
        "higher one after {quantity} minutes. Nothing has fallen into it as far as I can see. "
        "I have a recording if that helps you.",
    ),
)

SPAM: tuple[tuple[str, str], ...] = (
    (
        "RANK #1 on every search engine",
        "Dear webmaster, we noticed that your site is losing thousands of visitors each day. "
        "Our experts guarantee the first place within {days} days or your money back. Reply "
        "YES and receive a free analysis worth {amount} EUR.",
    ),
    (
        "You have been selected",
        "Congratulations! Your address was drawn among {quantity} winners of our great summer "
        "raffle. To receive the {product} and a cheque, answer this message with your details "
        "within {days} days. This offer is strictly limited and will not come again.",
    ),
    (
        "Cheap containers from port",
        "Sir or madam, we offer containers of best quality {product} for a price that you will "
        "not find elsewhere, shipped to {city} in {days} days. Minimum order is {quantity} "
        "pallets. Kindly let us have your requirements by return.",
    ),
)

# What a writer adds; each holds personal data in one or more spellings.
PERSONAL = (
    "You can reach me at {email}.",
    "Please write to {email}, not to the old address.",
    "Call me on {phone} after five o'clock.",
    "My number is {phone}, in case the driver needs it.",
    "The card that was charged is {card}.",
    "I paid with card number {card}.",
    "Please send the money to {iban}.",
    "My account for the refund: {iban}.",
    "My mobile is {phone} and my mail is {email}.",
)

SIGNATURES = (
    "Thanks, {name}",
    "Kind regards\n{name}",
    "Best wishes, {name}",
    "- {name}",
)

AGENT_COMMENTS = (
    (
        "Thank you for getting in touch. I have asked the warehouse to look for the parcel and "
        "will come back to you within {days} days."
    ),
    (
        "I am sorry about the trouble with the {product}. A replacement leaves us tomorrow; you "
        "need not send the broken one back."
    ),
    "I have refunded {amount} EUR today. Banks usually take three to five working days to show it.",
    (
        "Could you send us a photograph of the label on the box? With it we can see which shift "
        "packed it."
    ),
    (
        "Order {order} was still open, so I cancelled it. You will receive a confirmation in a few "
        "minutes."
    ),
    (
        "The guarantee on the {product} runs for two years from delivery and covers faults of "
        "material and workmanship."
    ),
    (
        "Our carrier confirms that the parcel is at the depot in {city}. It goes out again on the "
        "next working day."
    ),
    (
        "I have attached the return label. Please hand the parcel in within fourteen days and keep "
        "the receipt."
    ),
    (
        "This is a known fault of the last update. Holding the button for ten seconds brings the "
        "old version back."
    ),
    (
        "We expect the {product} in {colour} in about {days} days and I have put {quantity} aside "
        "for you."
    ),
    "I removed you from all three lists by hand. One more newsletter may already be on its way.",
    (
        "I have passed this on to the product team and changed the priority, since others reported "
        "it too."
    ),
)

CUSTOMER_COMMENTS = (
    "Thank you, that was quick. I will wait until the end of the week.",
    "Any news on this? It has been {days} days and I have heard nothing.",
    "That does not help, I had already tried it before I wrote to you.",
    "The replacement came today and it is perfect.",
    "The label does not open on my telephone. Can you send it in another format?",
    "Please go ahead and refund the {amount} EUR.",
    "The driver was here, but nobody rang. Now the parcel is back in {city}.",
    "I found the missing piece between the layers of cardboard, sorry for the trouble.",
    "Could somebody call me? It is easier to explain than to write.",
    "Yes, the order number is {order}, as I said in my first message.",
)
