// Package template makes texts of events by templates of an operator's, which run on what strangers publish: so rendering
// takes a bounded time and room, gives the same text for the same event, and reaches nothing but the event.
//
// Parse compiles the template of one key of the configuration, and Try renders it for samples of events, so that what is
// wrong with it is found when it is loaded. Render and RenderText are then called with what Event makes of an envelope.
package template
