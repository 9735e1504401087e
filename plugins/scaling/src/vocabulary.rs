//! The names that the scaling policy uses: columns, context, facts of its own and rules.

/// Numeric columns.
pub mod column {
    dean_policy_sdk::names! { Column:
        /// Spend since the ad entered the stage.
        SPEND = "spend_in_stage";
        /// Impressions since then.
        IMPRESSIONS = "impressions_in_stage";
        /// Clicks since then.
        CLICKS = "clicks_in_stage";
        /// Spend of today.
        SPEND_TODAY = "spend_today";
        /// Spend of the complete days, yesterday first.
        SPEND_D1 = "spend_d1";
        /// Two days ago.
        SPEND_D2 = "spend_d2";
        /// Three days ago.
        SPEND_D3 = "spend_d3";
        /// Four days ago.
        SPEND_D4 = "spend_d4";
        /// Five days ago.
        SPEND_D5 = "spend_d5";
        /// Six days ago.
        SPEND_D6 = "spend_d6";
        /// Seven days ago.
        SPEND_D7 = "spend_d7";
        /// Purchases of the complete days, yesterday first.
        PURCHASES_D1 = "purchases_d1";
        /// Two days ago.
        PURCHASES_D2 = "purchases_d2";
        /// Three days ago.
        PURCHASES_D3 = "purchases_d3";
        /// Four days ago.
        PURCHASES_D4 = "purchases_d4";
        /// Five days ago.
        PURCHASES_D5 = "purchases_d5";
        /// Six days ago.
        PURCHASES_D6 = "purchases_d6";
        /// Seven days ago.
        PURCHASES_D7 = "purchases_d7";
        /// Return of the complete days, yesterday first.
        ROAS_D1 = "roas_d1";
        /// Two days ago.
        ROAS_D2 = "roas_d2";
        /// Three days ago.
        ROAS_D3 = "roas_d3";
        /// Four days ago.
        ROAS_D4 = "roas_d4";
        /// Five days ago.
        ROAS_D5 = "roas_d5";
        /// Six days ago.
        ROAS_D6 = "roas_d6";
        /// Seven days ago.
        ROAS_D7 = "roas_d7";
        /// Spend of the last three complete days.
        SPEND_3D = "spend_3d";
        /// Purchases of these days.
        PURCHASES_3D = "purchases_3d";
        /// Revenue of these days.
        REVENUE_3D = "revenue_3d";
        /// Share of these days' purchases that is reported by now.
        SETTLED_3D = "settled_3d";
        /// Purchases of the last seven complete days.
        PURCHASES_7D = "purchases_7d";
        /// Cost per purchase of these days.
        CPA_7D = "cpa_7d";
        /// Return of these days.
        ROAS_7D = "roas_7d";
        /// Volatility of the daily return over these days.
        VOLATILITY = "volatility_roas_7d";
        /// How likely the true cost per purchase is bad, by the last three complete days.
        P_BAD_3D = "p_cpa_above_target_3d";
        /// The same by the last seven.
        P_BAD_7D = "p_cpa_above_target_7d";
        /// How likely it is above break-even, by the last seven.
        P_LOSS_7D = "p_cpa_above_breakeven_7d";
        /// Spend of the last seven complete days.
        SPEND_7D = "spend_7d";
        /// From 0, fresh, to 1, worn out.
        FATIGUE = "fatigue_index";
        /// The cost per purchase that a model foretells.
        FORECAST_CPA = "score.purchase_cpa";
        /// How likely it has lost half of its click-through within a week, as a model foretells it.
        WORN_AHEAD = "score.fatigue";
        /// The daily budget of its owner.
        BUDGET = "budget";
        /// 1 while its ad set is learning.
        IN_LEARNING = "in_learning";
        /// Daily budgets that copies brought along and that its owner's has not risen by yet.
        JOINED_BUDGET = "joined_budget";
        /// Hours since Dean paused it.
        HOURS_SINCE_PAUSE = "hours_since_pause";
        /// Hours since Dean last changed the owner's budget.
        BUDGET_CHANGED = "hours_since_budget_change";
        /// Hours since Dean last lowered it.
        BUDGET_FELL = "hours_since_budget_fall";
        /// Copies that Dean made of it today.
        COPIES_TODAY = "copies_today";
        /// 1 when a copy can be made beside it.
        COPYABLE = "copyable";
        /// Hours since Dean last copied it.
        COPIED = "hours_since_copy";
        /// Hours since Dean last asked for a new creative.
        REFRESHED = "hours_since_refresh";
        /// 1 when Dean paused it.
        PAUSED_BY_DEAN = "paused_by_dean";
        /// Purchases since it entered the stage.
        PURCHASES = "purchases_in_stage";
        /// Purchases that were reported when Dean paused it.
        PURCHASES_AT_PAUSE = "purchases_at_pause";
    }

    use dean_policy_sdk::Column;

    /// Spend of complete days, yesterday first.
    pub const SPEND_BY_DAY: [Column; 7] = [SPEND_D1, SPEND_D2, SPEND_D3, SPEND_D4, SPEND_D5, SPEND_D6, SPEND_D7];
    /// Purchases of complete days, yesterday first.
    pub const PURCHASES_BY_DAY: [Column; 7] =
        [PURCHASES_D1, PURCHASES_D2, PURCHASES_D3, PURCHASES_D4, PURCHASES_D5, PURCHASES_D6, PURCHASES_D7];
    /// Return of complete days, yesterday first.
    pub const ROAS_BY_DAY: [Column; 7] = [ROAS_D1, ROAS_D2, ROAS_D3, ROAS_D4, ROAS_D5, ROAS_D6, ROAS_D7];
}

/// Numbers of the account and stage.
pub mod context {
    dean_policy_sdk::names! { Context:
        /// Daily budget that nobody spends any more.
        FREED_BUDGET = "freed_budget";
        /// The cost per purchase at which nothing is earned.
        BREAKEVEN = "breakeven_cpa";
    }
}

/// Text columns.
pub mod text {
    dean_policy_sdk::names! { TextColumn:
        /// Meta's effective status; only `ACTIVE` ads are judged, and `PAUSED` ones brought back.
        STATUS = "status";
    }
}

/// Facts that this policy computes.
pub mod derived {
    dean_policy_sdk::names! { Derived:
        /// Complete days in a row, up to yesterday, whose cost per purchase was bad.
        BAD_CPA_DAYS = "bad_cpa_days";
        /// Complete days in a row, up to yesterday, whose return was bad.
        BAD_ROAS_DAYS = "bad_roas_days";
        /// Complete days in a row, up to yesterday, whose cost per purchase was good.
        GOOD_DAYS = "good_days";
        /// Return of the last three days, conversions still to come accounted for.
        SETTLED_ROAS_3D = "settled_roas_3d";
        /// Copies that the stage made today, and winners that come before it in line.
        COPIES_BEFORE = "copies_before_it_today";
        /// Purchases that were reported after Dean paused it.
        LATE_PURCHASES = "late_purchases";
        /// Cost per purchase of all live ads of the owner over three days, conversions still to come
        /// accounted for.
        OWNER_CPA = "owner_settled_cpa_3d";
        /// That cost by break-even; not known where break-even is not.
        OWNER_CPA_BY_BREAKEVEN = "owner_cost_by_breakeven_ratio";
        /// Their return, conversions still to come accounted for.
        OWNER_ROAS = "owner_settled_roas_3d";
        /// What a purchase costs at least: the same with one purchase where there was none.
        OWNER_CPA_AT_LEAST = "owner_cost_at_least_3d";
        /// Their impressions in the stage.
        OWNER_IMPRESSIONS = "owner_impressions_in_stage";
        /// Their clicks in the stage.
        OWNER_CLICKS = "owner_clicks_in_stage";
        /// Their spend in the stage.
        OWNER_SPEND = "owner_spend_in_stage";
        /// How likely the owner's ads have lost half of their click-through within a week, by their spend.
        OWNER_WORN = "owner_chance_worn_out";
        /// Share of the owner's spend over three days that ads had which were paused since its budget
        /// last changed.
        PAUSED_SPEND = "paused_share_of_3d";
        /// Today's spend by yesterday's.
        PACE_TODAY = "pace_today";
        /// Yesterday's spend by that of the day before.
        PACE_D1 = "pace_d1";
        /// Spend of two days ago by that of the day before.
        PACE_D2 = "pace_d2";
    }
}

/// Rules, in the order in which they are tried.
pub mod rule {
    dean_policy_sdk::rules! {
        BAD_CPA = "bad-cost-for-days", "Bad cost for days",
            "Pauses after several complete days whose spend was at least the kill cost for every purchase, unless the week is good.";
        BAD_ROAS = "bad-return-for-days", "Bad return for days",
            "Pauses after several complete days whose return was below the kill return, unless the week is good.";
        LOSING = "surely-losing", "Surely losing",
            "Pauses an ad whose week makes a bad cost almost certain, though no day of it spent enough to be bad by itself.";
        UNLIKELY = "unlikely-to-earn", "Unlikely to earn",
            "Pauses an ad whose week is more likely bad than not when a model foretells a cost far above the kill cost.";
        EXONERATED = "late-conversions", "Late conversions speak for it",
            "Brings back an ad that was paused when purchases reported since then make its week a good one.";
        DUPLICATE = "copy-winner", "Copy the winner",
            "Copies an ad that sells well into an ad set of its own, a few a day.";
        REFRESH = "refresh-winner", "New creative for a winner",
            "Asks for a new creative after a week of good days: what runs well wears out.";
        REFRESH_AHEAD = "refresh-before-worn", "New creative before it is worn",
            "Asks for a new creative for an ad that still earns when a model foretells that it will have lost half of its click-through within a week.";
        STRONG = "scale-up-strong", "Scale up, strong",
            "Raises the budget by the strong step on a very good and stable cost and return.";
        GOOD = "scale-up", "Scale up",
            "Raises the budget by the good step on a good and stable cost and return.";
        JOINED = "budget-of-new-ads", "Budget of new ads",
            "Raises a budget that ads share by what those that joined it begin with.";
        STEADY = "scale-up-steady", "Scale up, steady profit",
            "Raises the budget by a small step while the ads earn day after day, surely below break-even.";
        PAUSED_SHARE = "budget-of-paused-ads", "Budget of paused ads",
            "Takes what paused ads spent out of a budget that they shared, so that the others do not have to spend it.";
        DOWN_CPA = "scale-down-cost", "Scale down, cost",
            "Lowers the budget when purchases cost too much.";
        DOWN_ROAS = "scale-down-return", "Scale down, return",
            "Lowers the budget when the return is too small.";
        REINVEST = "reinvest", "Freed budget to winners",
            "Raises budgets of winners out of budget that nobody spends any more, in proportion to return.";
    }
}
